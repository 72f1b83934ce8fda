// The start: all topics, page by page, and what can be done with one.
import { useRef, useState } from 'preact/hooks';
import { get, send, useLive } from '../base/api';
import { Sparkline } from '../base/chart';
import { Confirm, Dialog, Field } from '../base/dialog';
import { count, rate, size } from '../base/format';
import { at, encode, navigate, setQuery, useRoute } from '../base/router';
import { Failure, Icon, Menu, toast, useTitle } from '../base/shell';
import { Pager, SearchBox, Table, useSorting, type Column } from '../base/table';
import { t as common } from '../base/words';
import { CHANGES, CLUSTER, topicPath, topicRoute, type TopicList, type TopicRow } from './model';
import { useRate } from './rate';
import { t } from './words';

const PAGE_SIZE = 25;

type Doing = { what: 'create' } | { what: 'empty' | 'delete' | 'grow'; topic: TopicRow };

export function TopicsPage() {
  const { query } = useRoute();
  const [doing, setDoing] = useState<Doing | null>(null);
  const sorting = useSorting(query, 'name');
  const search = query.get('search') ?? '';
  const page = Number(query.get('page') ?? 1);
  const internal = query.get('internal') === '1';
  const sort = (sorting.descending ? '-' : '') + sorting.by;
  const { data, error, refresh } = useLive<TopicList>(
    `${CLUSTER}/topics?page=${page}&perPage=${PAGE_SIZE}&search=${encode(search)}&sort=${sort}&showInternal=${internal}`,
    { changes: CHANGES });
  useTitle(t('topics'));

  const columns: Column<TopicRow>[] = [
    { name: 'name', label: t('name'), sort: 'name', grow: true, cell: (topic) => (
      <><a href={at(topicRoute(topic.name))} data-route data-row>{topic.name}</a>{topic.internal && <> <span class="badge">{t('internal')}</span></>}</>) },
    { name: 'partitions', label: t('partitions'), sort: 'partitions', number: true, narrow: 'hide', cell: (topic) => count(topic.partitionCount) },
    { name: 'messages', label: t('messages'), sort: 'messages', number: true, cell: (topic) => count(topic.messagesCount) },
    { name: 'size', label: t('size'), sort: 'size', number: true, cell: (topic) => size(topic.segmentSize) },
    { name: 'actions', label: '', cell: (topic) => (
      <Menu label={`${t('actions')}: ${topic.name}`}>
        <button type="button" onClick={() => setDoing({ what: 'grow', topic })}><Icon name="plus" />{t('addPartitions')}</button>
        <button type="button" onClick={() => setDoing({ what: 'empty', topic })}><Icon name="empty" />{t('emptyTopic')}</button>
        <hr />
        <button type="button" class="bad" onClick={() => setDoing({ what: 'delete', topic })}><Icon name="trash" />{common('delete')}</button>
      </Menu>) },
  ];
  return (
    <>
      <div class="titlebar">
        <h1>{t('topics')}</h1>
        <div class="actions">
          <button type="button" class="primary" onClick={() => setDoing({ what: 'create' })}><Icon name="plus" />{t('createTopic')}</button>
        </div>
      </div>
      {data && <Tiles totals={data.totals} />}
      {error && <Failure error={error} />}
      <div class="bar">
        <SearchBox value={search} label={t('searchTopics')} />
        <label class="check">
          <input type="checkbox" checked={internal} onChange={(event) => setQuery({ internal: event.currentTarget.checked ? 1 : null, page: null })} />
          {t('showInternal')}
        </label>
      </div>
      {data && <Table label={t('topics')} columns={columns} rows={data.topics} rowKey={(topic) => topic.name} sorting={sorting}
        empty={search === '' ? t('noTopics') : common('noMatch', search)} />}
      {data && <Pager page={page} pageSize={PAGE_SIZE} total={data.total} />}
      {doing?.what === 'create' && <CreateTopic close={() => setDoing(null)} />}
      {doing?.what === 'empty' && <EmptyTopic name={doing.topic.name} close={() => setDoing(null)} done={refresh} />}
      {doing?.what === 'delete' && <DeleteTopic name={doing.topic.name} close={() => setDoing(null)} done={refresh} />}
      {doing?.what === 'grow' && <AddPartitions name={doing.topic.name} now={doing.topic.partitionCount} close={() => setDoing(null)} done={refresh} />}
    </>
  );
}

function Tiles({ totals }: { totals: TopicList['totals'] }) {
  const history = useRate(totals.messages);
  const tiles: [string, string][] = [
    [t('topics'), count(totals.topics - totals.internal)], [t('partitions'), count(totals.partitions)],
    [t('messages'), count(totals.messages)], [t('size'), size(totals.size)]];
  return (
    <dl class="tiles">
      {tiles.map(([name, value]) => <div class="tile" key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
      <div class="tile"><dt>{t('rate')}</dt><dd>{rate(history.at(-1) ?? 0)}</dd><Sparkline values={history} label={t('rate')} /></div>
    </dl>
  );
}

// ---- what can be done ----

const RETENTIONS: [string, string][] = [['', 'retentionStandard'], ['3600000', 'hour'], ['86400000', 'day'], ['604800000', 'week'], ['-1', 'forever']];

function CreateTopic({ close }: { close: () => void }) {
  const [name, setName] = useState('');
  const [partitions, setPartitions] = useState('3');
  const [retention, setRetention] = useState('');
  const [compact, setCompact] = useState(false);
  const submit = async (): Promise<void> => {
    const configs: Record<string, string> = {};
    if (retention !== '') configs['retention.ms'] = retention;
    if (compact) configs['cleanup.policy'] = 'compact';
    await send('POST', `${CLUSTER}/topics`, { name: name.trim(), partitions: Number(partitions), configs });
    toast(t('created', name.trim()));
    navigate(topicRoute(name.trim()));
  };
  return (
    <Dialog title={t('createTopic')} action={t('create')} submit={submit} close={close}>
      <Field label={t('name')} hint={t('nameHint')}>
        <input value={name} required autocomplete="off" spellcheck={false} maxLength={249} onInput={(event) => setName(event.currentTarget.value)} />
      </Field>
      <div class="fieldrow">
        <Field label={t('partitions')}>
          <input type="number" min={1} max={10000} required value={partitions} onInput={(event) => setPartitions(event.currentTarget.value)} />
        </Field>
        <Field label={t('retention')}>
          <select value={retention} onChange={(event) => setRetention(event.currentTarget.value)}>
            {RETENTIONS.map(([value, label]) => <option key={value} value={value}>{t(label as 'hour')}</option>)}
          </select>
        </Field>
      </div>
      <Field label={t('cleanup')}>
        <select value={compact ? 'compact' : 'delete'} onChange={(event) => setCompact(event.currentTarget.value === 'compact')}>
          <option value="delete">{t('cleanupDelete')}</option>
          <option value="compact">{t('cleanupCompact')}</option>
        </select>
      </Field>
    </Dialog>
  );
}

export function EmptyTopic({ name, close, done }: { name: string; close: () => void; done: () => void }) {
  const submit = async (): Promise<void> => {
    await send('DELETE', `${topicPath(name)}/messages`);
    toast(t('emptied', name));
    done();
  };
  return <Confirm title={t('emptyTitle', name)} text={t('emptyText')} action={t('emptyTopic')} submit={submit} close={close} />;
}

export function DeleteTopic({ name, close, done }: { name: string; close: () => void; done: () => void }) {
  const submit = async (): Promise<void> => {
    await send('DELETE', topicPath(name));
    toast(t('deleted', name));
    done();
  };
  return <Confirm title={t('deleteTitle', name)} text={t('deleteText')} action={common('delete')} word={name} submit={submit} close={close} />;
}

export function AddPartitions({ name, now, close, done }: { name: string; now: number; close: () => void; done: () => void }) {
  const wanted = useRef<HTMLInputElement>(null);
  const submit = async (): Promise<void> => {
    await send('PATCH', `${topicPath(name)}/partitions`, { totalPartitionsCount: Number(wanted.current!.value) });
    toast(t('partitionsAdded', name, wanted.current!.value));
    await get(topicPath(name));
    done();
  };
  return (
    <Dialog title={`${t('addPartitions')}: ${name}`} action={common('add')} submit={submit} close={close}>
      <p>{t('addPartitionsText', now)}</p>
      <Field label={t('partitions')}><input type="number" ref={wanted} min={now + 1} max={10000} defaultValue={String(now + 1)} required /></Field>
    </Dialog>
  );
}
