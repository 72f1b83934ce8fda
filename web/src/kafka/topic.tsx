// One topic: its messages, partitions, consumers and settings.
import { useState } from 'preact/hooks';
import { ApiError, get, send, useLive } from '../base/api';
import { Dialog, Field } from '../base/dialog';
import { count, size } from '../base/format';
import { at, navigate, useRoute } from '../base/router';
import { Failure, Icon, Menu, toast, useTitle } from '../base/shell';
import { SearchBox, Table, type Column } from '../base/table';
import { t as common } from '../base/words';
import { MessagesTab } from './messages';
import { CHANGES, groupRoute, topicPath, type GroupRow, type Partition, type Setting, type Topic } from './model';
import { ImportDialog, SendDialog } from './send';
import { AddPartitions, DeleteTopic, EmptyTopic } from './topics';
import { t } from './words';

const TABS = ['messages', 'partitions', 'consumers', 'settings'] as const;
type Doing = 'send' | 'import' | 'grow' | 'empty' | 'delete' | null;

export function TopicPage({ name }: { name: string }) {
  const { query } = useRoute();
  const [doing, setDoing] = useState<Doing>(null);
  const [round, setRound] = useState(0);
  const tab = TABS.find((one) => one === query.get('tab')) ?? 'messages';
  const { data: topic, error, refresh } = useLive<Topic>(topicPath(name), { changes: CHANGES });
  useTitle(name);
  if (error instanceof ApiError && error.status === 404)
    return <div class="empty"><p>{t('noTopic')}</p><a class="button" href={at('')} data-route>{t('topics')}</a></div>;
  const changed = (): void => {
    refresh();
    setRound((n) => n + 1);
  };
  const close = (): void => setDoing(null);
  return (
    <>
      <p class="crumbs"><a href={at('')} data-route>{t('topics')}</a> /</p>
      <div class="titlebar">
        <h1>{name}</h1>
        {topic && <span class="muted">{count(topic.messagesCount)} {t('messages').toLowerCase()} · {count(topic.partitionCount)} {(topic.partitionCount === 1 ? t('partition') : t('partitions')).toLowerCase()} · {size(topic.segmentSize)}</span>}
        <div class="actions">
          <button type="button" class="primary" onClick={() => setDoing('send')}><Icon name="send" />{t('send')}</button>
          <Menu label={t('actions')}>
            <button type="button" onClick={() => setDoing('import')}><Icon name="upload" />{t('import')}</button>
            <a href={at(`${topicPath(name)}/messages/export?format=jsonl`)} download><Icon name="download" />{t('exportJson')}</a>
            <a href={at(`${topicPath(name)}/messages/export?format=csv`)} download><Icon name="download" />{t('exportCsv')}</a>
            <hr />
            <button type="button" onClick={() => setDoing('grow')}><Icon name="plus" />{t('addPartitions')}</button>
            <button type="button" onClick={() => setDoing('empty')}><Icon name="empty" />{t('emptyTopic')}</button>
            <button type="button" class="bad" onClick={() => setDoing('delete')}><Icon name="trash" />{common('delete')}</button>
          </Menu>
        </div>
      </div>
      {error && <Failure error={error} />}
      <nav class="tabs" aria-label={name}>
        {TABS.map((one) => (
          <button key={one} type="button" aria-current={one === tab ? 'page' : undefined}
            onClick={() => navigate(`topics/${encodeURIComponent(name)}${one === 'messages' ? '' : `?tab=${one}`}`)}>{t(one)}</button>
        ))}
      </nav>
      {tab === 'messages' && <MessagesTab key={round} name={name} partitionCount={topic?.partitionCount ?? 0} />}
      {tab === 'partitions' && topic && <Partitions partitions={topic.partitions} />}
      {tab === 'consumers' && <Consumers name={name} />}
      {tab === 'settings' && <Settings name={name} />}
      {doing === 'send' && topic && <SendDialog name={name} partitionCount={topic.partitionCount} close={close} done={changed} />}
      {doing === 'import' && <ImportDialog name={name} close={close} done={changed} />}
      {doing === 'empty' && <EmptyTopic name={name} close={close} done={changed} />}
      {doing === 'delete' && <DeleteTopic name={name} close={close} done={() => navigate('')} />}
      {doing === 'grow' && topic && <AddPartitions name={name} now={topic.partitionCount} close={close} done={changed} />}
    </>
  );
}

function Partitions({ partitions }: { partitions: Partition[] }) {
  const most = Math.max(1, ...partitions.map((one) => one.offsetMax - one.offsetMin));
  const columns: Column<Partition>[] = [
    { name: 'partition', label: t('partition'), number: true, cell: (one) => one.partition },
    { name: 'share', label: '', grow: true, cell: (one) => (
      <div class="meter" style={{ marginTop: '.45rem' }}><i style={{ width: `${((one.offsetMax - one.offsetMin) / most) * 100}%` }} /></div>) },
    { name: 'messages', label: t('messages'), number: true, cell: (one) => count(one.offsetMax - one.offsetMin) },
    { name: 'first', label: t('first'), number: true, narrow: 'hide', cell: (one) => count(one.offsetMin) },
    { name: 'end', label: t('end'), number: true, cell: (one) => count(one.offsetMax) },
    { name: 'segments', label: t('segments'), number: true, narrow: 'hide', cell: (one) => one.segments },
    { name: 'size', label: t('size'), number: true, cell: (one) => one.failure ? <span class="badge bad">{one.failure}</span> : size(one.size) },
  ];
  return (
    <>
      {partitions.flatMap((one) => (one.corrupt ?? []).map((bad) => (
        <p key={`${one.partition}-${bad.first}`}><span class="badge bad">{t('partition')} {one.partition}</span> {t('corrupt')} {bad.first} – {bad.last}</p>)))}
      <Table label={t('partitions')} columns={columns} rows={partitions} rowKey={(one) => one.partition} />
    </>
  );
}

function Consumers({ name }: { name: string }) {
  const { data, error } = useLive<{ consumerGroups: GroupRow[] }>(`${topicPath(name)}/consumer-groups`, { changes: CHANGES });
  const columns: Column<GroupRow>[] = [
    { name: 'group', label: t('group'), grow: true, cell: (group) => <a href={at(groupRoute(group.groupId))} data-route data-row>{group.groupId}</a> },
    { name: 'state', label: t('state'), cell: (group) => <State state={group.state} /> },
    { name: 'members', label: t('members'), number: true, cell: (group) => group.members },
    { name: 'lag', label: t('lag'), number: true, cell: (group) => count(group.consumerLag) },
  ];
  if (error) return <Failure error={error} />;
  return data && <Table label={t('consumers')} columns={columns} rows={data.consumerGroups} rowKey={(group) => group.groupId} empty={t('noReaders')} />;
}

export function State({ state }: { state: string }) {
  return <span class={`badge ${state === 'Stable' ? 'good' : state === 'Empty' || state === 'Dead' ? '' : 'warn'}`}>{state}</span>;
}

function Settings({ name }: { name: string }) {
  const { query } = useRoute();
  const [editing, setEditing] = useState<Setting | null>(null);
  const { data, error, refresh } = useLive<{ configs: Setting[] }>(`${topicPath(name)}/config`, { every: 10000 });
  const search = (query.get('search') ?? '').toLowerCase();
  const own = (setting: Setting): boolean => setting.source === 'DYNAMIC_TOPIC_CONFIG';
  const rows = (data?.configs ?? []).filter((one) => `${one.name} ${one.help}`.toLowerCase().includes(search))
    .sort((a, b) => Number(own(b)) - Number(own(a)) || a.name.localeCompare(b.name));
  const columns: Column<Setting>[] = [
    { name: 'name', label: t('setting'), cell: (one) => <><span class="mono">{one.name}</span>{own(one) && <> <span class="badge accent">{t('ownValue')}</span></>}</> },
    { name: 'value', label: t('value'), cell: (one) => <span class="mono">{one.value}</span> },
    { name: 'help', label: '', grow: true, narrow: 'hide', cell: (one) => <span class="muted">{one.help}</span> },
    { name: 'edit', label: '', cell: (one) => (
      <button type="button" class="plain" data-row aria-label={t('editSetting', one.name)} title={t('editSetting', one.name)} onClick={() => setEditing(one)}><Icon name="edit" /></button>) },
  ];
  return (
    <>
      {error && <Failure error={error} />}
      <div class="bar"><SearchBox value={query.get('search') ?? ''} label={t('searchSettings')} /></div>
      {data && <Table label={t('settings')} columns={columns} rows={rows} rowKey={(one) => one.name} empty={common('noMatch', search)} />}
      {editing && <EditSetting topic={name} setting={editing} own={own(editing)} close={() => setEditing(null)} done={refresh} />}
    </>
  );
}

function EditSetting({ topic, setting, own, close, done }: { topic: string; setting: Setting; own: boolean; close: () => void; done: () => void }) {
  const [value, setValue] = useState(setting.value);
  const [remove, setRemove] = useState(false);
  const submit = async (): Promise<void> => {
    await send('PATCH', topicPath(topic), { configs: { [setting.name]: remove ? null : value } });
    await get(topicPath(topic));
    toast(t('saved', setting.name));
    done();
  };
  return (
    <Dialog title={setting.name} submit={submit} close={close}>
      <p class="muted">{setting.help}</p>
      <Field label={t('value')}><input value={value} disabled={remove} onInput={(event) => setValue(event.currentTarget.value)} spellcheck={false} /></Field>
      {own && <label class="check"><input type="checkbox" checked={remove} onChange={(event) => setRemove(event.currentTarget.checked)} />{t('useStandard')}</label>}
    </Dialog>
  );
}

