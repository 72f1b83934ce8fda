// One consumer group: its members, how far it is behind, and moving its offsets after a look at what would change.
import { useState } from 'preact/hooks';
import { ApiError, send, useHistory, useLive } from '../base/api';
import { Sparkline } from '../base/chart';
import { Confirm, Dialog, Field } from '../base/dialog';
import { count, duration } from '../base/format';
import { at, navigate } from '../base/router';
import { Failure, Icon, Menu, NotFound, toast, useTitle } from '../base/shell';
import { Table, type Column } from '../base/table';
import { t as common } from '../base/words';
import { CHANGES, groupPath, topicRoute, type Group, type GroupOffset } from './model';
import { State } from './topic';
import { t } from './words';

const lagTime = (ms: number): string => (ms < 0 ? '–' : ms === 0 ? '0 s' : duration(Math.max(1000, ms)));

export function GroupPage({ name }: { name: string }) {
  const { data: group, error, refresh } = useLive<Group>(groupPath(name), { changes: CHANGES });
  const [doing, setDoing] = useState<'reset' | 'delete' | null>(null);
  const history = useHistory(group?.consumerLag ?? null);
  useTitle(name);
  if (error instanceof ApiError && error.status === 404) return <NotFound />;
  const columns: Column<GroupOffset>[] = [
    { name: 'topic', label: t('topic'), grow: true, cell: (one) => <a href={at(topicRoute(one.topic))} data-route data-row>{one.topic}</a> },
    { name: 'partition', label: t('partition'), number: true, cell: (one) => one.partition },
    { name: 'committed', label: t('committed'), number: true, cell: (one) => count(one.currentOffset) },
    { name: 'end', label: t('end'), number: true, narrow: 'hide', cell: (one) => count(one.endOffset) },
    { name: 'lag', label: t('lag'), number: true, cell: (one) => count(one.consumerLag) },
    { name: 'time', label: t('lagTime'), number: true, cell: (one) => lagTime(one.lagMs) },
    { name: 'at', label: t('committedAt'), number: true, narrow: 'hide', cell: (one) => common('ago', duration(Math.max(0, Date.now() - one.committedMs))) },
  ];
  const oldest = Math.max(0, ...(group?.partitions.map((one) => one.lagMs) ?? []));
  return (
    <>
      <p class="crumbs"><a href={at('groups')} data-route>{t('groups')}</a> /</p>
      <div class="titlebar">
        <h1>{name}</h1>{group && <State state={group.state} />}
        <div class="actions">
          <button type="button" onClick={() => setDoing('reset')} disabled={!group}><Icon name="reset" />{t('reset')}</button>
          <Menu label={t('actions')}><button type="button" class="bad" onClick={() => setDoing('delete')}><Icon name="trash" />{t('deleteGroup')}</button></Menu>
        </div>
      </div>
      {error && <Failure error={error} />}
      {group && (
        <>
          <dl class="tiles">
            <div class="tile"><dt>{t('lagTotal')}</dt><dd>{count(group.consumerLag)}</dd><Sparkline values={history} label={t('lagHistory')} /></div>
            <div class="tile"><dt>{t('lagTime')}</dt><dd>{lagTime(oldest)}</dd></div>
            <div class="tile"><dt>{t('members')}</dt><dd>{count(group.members.length)}</dd></div>
            <div class="tile"><dt>{t('partitions')}</dt><dd>{count(group.partitions.length)}</dd></div>
          </dl>
          <Table label={t('lag')} columns={columns} rows={group.partitions} rowKey={(one) => `${one.topic} ${one.partition}`} />
          <h2 class="section">{t('members')}</h2>
          <Members group={group} />
        </>
      )}
      {doing === 'reset' && group && <Reset group={group} close={() => setDoing(null)} done={refresh} />}
      {doing === 'delete' && <DeleteGroup name={name} close={() => setDoing(null)} />}
    </>
  );
}

function Members({ group }: { group: Group }) {
  type Member = Group['members'][number];
  const columns: Column<Member>[] = [
    { name: 'client', label: t('consumer'), grow: true, cell: (member) => <><span>{member.clientId}</span><br /><small class="mono">{member.memberId}</small></> },
    { name: 'host', label: t('host'), cell: (member) => <span class="mono">{member.host}</span> },
    { name: 'assigned', label: t('assigned'), cell: (member) => member.assignment.map((one) => (
      <div key={one.topic}>{one.topic} <span class="muted">{one.partitions.join(', ')}</span></div>)) },
  ];
  return <Table label={t('members')} columns={columns} rows={group.members} rowKey={(member) => member.memberId} empty={t('noMembers')} />;
}

function DeleteGroup({ name, close }: { name: string; close: () => void }) {
  const submit = async (): Promise<void> => {
    await send('DELETE', groupPath(name));
    toast(t('deleted', name));
    navigate('groups');
  };
  return <Confirm title={t('deleteTitle', name)} text={t('deleteGroupText')} action={common('delete')} submit={submit} close={close} />;
}

// ---- moving offsets ----

interface Planned {
  topic: string;
  partition: number;
  currentOffset: number;
  newOffset: number;
  lag: number;
}
const TYPES = [['EARLIEST', 'resetEarliest'], ['LATEST', 'resetLatest'], ['TIMESTAMP', 'resetTimestamp'], ['OFFSET', 'resetOffset']] as const;

function Reset({ group, close, done }: { group: Group; close: () => void; done: () => void }) {
  const topics = [...new Set(group.partitions.map((one) => one.topic))];
  const [topic, setTopic] = useState(topics[0] ?? '');
  const [type, setType] = useState<(typeof TYPES)[number][0]>('EARLIEST');
  const [partition, setPartition] = useState('');
  const [offset, setOffset] = useState('0');
  const [time, setTime] = useState('');
  const [plan, setPlan] = useState<Planned[] | null>(null);
  const change = <T,>(set: (value: T) => void) => (value: T): void => {
    setPlan(null);
    set(value);
  };
  const ask = (dryRun: boolean): Promise<{ partitions: Planned[] }> => send('POST', `${groupPath(group.groupId)}/offsets`, {
    topic, resetType: type, dryRun, partitions: partition === '' ? [] : [Number(partition)],
    offset: Number(offset), resetToTimestamp: time === '' ? null : new Date(time).getTime() });
  // The first press shows what would change, the second one does it.
  const submit = async (): Promise<void> => {
    await ask(false);
    toast(t('resetDone', group.groupId));
    done();
  };
  const [error, setError] = useState<Error | null>(null);
  const preview = async (): Promise<void> => {
    try {
      setError(null);
      setPlan((await ask(true)).partitions);
    } catch (failure) {
      setError(failure as Error);
    }
  };
  const columns: Column<Planned>[] = [
    { name: 'partition', label: t('partition'), grow: true, cell: (one) => one.partition },
    { name: 'now', label: t('now'), number: true, cell: (one) => (one.currentOffset < 0 ? '–' : count(one.currentOffset)) },
    { name: 'then', label: t('then'), number: true, cell: (one) => <strong>{count(one.newOffset)}</strong> },
    { name: 'change', label: t('change'), number: true, cell: (one) => signed(one.newOffset - Math.max(0, one.currentOffset)) },
    { name: 'lag', label: t('lagThen'), number: true, cell: (one) => count(one.lag) },
  ];
  const own = group.partitions.filter((one) => one.topic === topic);
  return (
    <Dialog title={`${t('reset')}: ${group.groupId}`} wide action={t('apply')} close={close} {...(plan ? { submit } : {})}>
      {group.members.length > 0 && <p class="notice warn">{t('resetBusy', group.members.length)}</p>}
      <div class="fieldrow">
        <Field label={t('topic')}>
          <select value={topic} onChange={(event) => change(setTopic)(event.currentTarget.value)}>{topics.map((one) => <option key={one}>{one}</option>)}</select>
        </Field>
        <Field label={t('partition')}>
          <select value={partition} onChange={(event) => change(setPartition)(event.currentTarget.value)}>
            <option value="">{t('allPartitions')}</option>
            {own.map((one) => <option key={one.partition} value={String(one.partition)}>{one.partition}</option>)}
          </select>
        </Field>
      </div>
      <fieldset class="choices">
        <legend>{t('resetTo')}</legend>
        {TYPES.map(([value, label]) => (
          <label class="check" key={value}><input type="radio" name="type" checked={type === value} onChange={() => change(setType)(value)} />{t(label)}</label>
        ))}
      </fieldset>
      {type === 'OFFSET' && <Field label={t('offset')}><input type="number" min={0} value={offset} onInput={(event) => change(setOffset)(event.currentTarget.value)} /></Field>}
      {type === 'TIMESTAMP' && <Field label={t('time')}><input type="datetime-local" step={1} value={time} onInput={(event) => change(setTime)(event.currentTarget.value)} /></Field>}
      <div><button type="button" class={plan ? '' : 'primary'} onClick={preview}>{t('preview')}</button></div>
      {error && <Failure error={error} />}
      {plan && <p class="muted">{t('previewText')}</p>}
      {plan && <Table label={t('preview')} columns={columns} rows={plan} rowKey={(one) => one.partition} />}
    </Dialog>
  );
}

const signed = (value: number): string => (value > 0 ? '+' : '') + count(value);
