// Programs, streaming queries and SQL executions as tables, on their own pages and on the overview.
import { useLive } from '../base/api';
import { count, duration, time } from '../base/format';
import { at, encode, setQuery } from '../base/router';
import { Failure, useTitle } from '../base/shell';
import { Pager, SearchBox, Table, useSorting, type Column, type Sorting } from '../base/table';
import { t as common } from '../base/words';
import { perSecond, QueryLink, queryName, Since, State, Stop, type Execution, type Program, type Query, type Rows } from './model';
import { t } from './words';

export const PAGE_SIZE = 50;

// ---- tables ----

// "spark/4.1.4 os/linux python/3.11.2" → "Spark 4.1.4 · Python 3.11"
const client = (text: string): string => {
  const spark = /spark\/([\w.]+)/.exec(text)?.[1];
  const python = /python\/(\d+\.\d+)/.exec(text)?.[1];
  return [spark && `Spark ${spark}`, python && `Python ${python}`].filter(Boolean).join(' · ') || '–';
};

export function Programs({ rows, done, sorting, label, empty }: {
  rows: Program[]; done: () => void; sorting?: Sorting; label: string; empty?: preact.ComponentChildren;
}) {
  const name = (row: Program): string => row.name || row.id;
  const columns: Column<Program>[] = [
    { name: 'name', label: t('name'), sort: 'name', grow: true, cell: (row) => (
      <><strong>{name(row)}</strong>{row.file && row.file !== row.name && <> <small class="mono">{row.file}</small></>}</>) },
    { name: 'state', label: t('state'), sort: 'state', cell: (row) => <State state={row.state} /> },
    { name: 'pid', label: t('pid'), sort: 'pid', number: true, cell: (row) => (row.pid > 0 ? String(row.pid) : '–') },
    { name: 'user', label: t('user'), sort: 'user', narrow: 'hide', cell: (row) => row.user },
    { name: 'client', label: t('client'), narrow: 'hide', cell: (row) => <small class="nowrap" title={row.client}>{client(row.client)}</small> },
    { name: 'started', label: t('started'), sort: 'startedMs', narrow: 'hide', cell: (row) => <span class="number">{time(row.startedMs)}</span> },
    { name: 'duration', label: t('duration'), sort: 'durationMs', number: true, cell: (row) => <Since {...row} /> },
    { name: 'executions', label: t('sql'), sort: 'executions', number: true, narrow: 'hide', cell: (row) => count(row.executions) },
    { name: 'id', label: t('applicationId'), narrow: 'hide', cell: (row) => <code class="nowrap">{row.id}</code> },
    { name: 'stop', label: '', cell: (row) =>
      row.state === 'RUNNING' && <Stop what="programs" id={row.id} name={name(row)} done={done} /> },
  ];
  return <Table label={label} columns={columns} rows={rows} rowKey={(row) => row.id} {...(sorting ? { sorting } : {})} empty={empty} />;
}

export function Queries({ rows, done, sorting, label, empty }: {
  rows: Query[]; done: () => void; sorting?: Sorting; label: string; empty?: preact.ComponentChildren;
}) {
  const columns: Column<Query>[] = [
    { name: 'name', label: t('name'), sort: 'name', grow: true, cell: (row) => (
      <><QueryLink query={row} />{row.error && <div class="errorline" title={row.error}>{row.error}</div>}</>) },
    { name: 'status', label: t('status'), sort: 'status', cell: (row) => <State state={row.status} /> },
    { name: 'input', label: t('inputPerSecond'), sort: 'inputRowsPerSecond', number: true, cell: (row) =>
      (row.status === 'RUNNING' ? perSecond(row.inputRowsPerSecond) : '–') },
    { name: 'process', label: t('processPerSecond'), sort: 'processedRowsPerSecond', number: true, narrow: 'hide', cell: (row) =>
      (row.status === 'RUNNING' ? perSecond(row.processedRowsPerSecond) : '–') },
    { name: 'batchMs', label: t('batchDuration'), sort: 'batchMs', number: true, narrow: 'hide', cell: (row) => duration(row.batchMs) },
    { name: 'batch', label: t('batch'), sort: 'batchId', number: true, cell: (row) => (row.batchId < 0 ? '–' : count(row.batchId)) },
    { name: 'rows', label: t('inputRows'), sort: 'inputRows', number: true, narrow: 'hide', cell: (row) => count(row.inputRows) },
    { name: 'sink', label: t('sink'), sort: 'sink', narrow: 'hide', cell: (row) => row.sink },
    { name: 'duration', label: t('duration'), sort: 'durationMs', number: true, cell: (row) => <Since {...row} /> },
    { name: 'stop', label: '', cell: (row) =>
      row.status === 'RUNNING' && <Stop what="queries" id={row.runId} name={queryName(row)} done={done} /> },
  ];
  return <Table label={label} columns={columns} rows={rows} rowKey={(row) => row.runId} {...(sorting ? { sorting } : {})} empty={empty} />;
}

export function Executions({ rows, done, sorting, label, empty }: {
  rows: Execution[]; done: () => void; sorting?: Sorting; label: string; empty?: preact.ComponentChildren;
}) {
  const columns: Column<Execution>[] = [
    { name: 'id', label: t('id'), sort: 'id', number: true, cell: (row) => String(row.id) },
    { name: 'description', label: t('description'), sort: 'description', grow: true, cell: (row) => (
      <>
        <a class="oneline mono" href={at(`sql/${encode(String(row.id))}`)} data-route data-row title={row.description}>{row.description}</a>
        {row.error && <div class="errorline" title={row.error}>{row.error}</div>}
      </>) },
    { name: 'status', label: t('status'), sort: 'status', cell: (row) => <State state={row.status} /> },
    { name: 'started', label: t('submitted'), sort: 'startedMs', narrow: 'hide', cell: (row) => <span class="number">{time(row.startedMs)}</span> },
    { name: 'duration', label: t('duration'), sort: 'durationMs', number: true, cell: (row) => duration(row.durationMs) },
    { name: 'rows', label: t('rows'), sort: 'rows', number: true, narrow: 'hide', cell: (row) => count(row.rows) },
    { name: 'application', label: t('application'), sort: 'applicationName', narrow: 'hide', cell: (row) => row.applicationName || row.application },
    { name: 'stop', label: '', cell: (row) =>
      row.status === 'RUNNING' && <Stop what="executions" id={row.id} name={row.description} done={done} /> },
  ];
  return <Table label={label} columns={columns} rows={rows} rowKey={(row) => row.id} {...(sorting ? { sorting } : {})} empty={empty} />;
}

// ---- pages ----

function useList<Row>(kind: string, query: URLSearchParams, sort: string) {
  const sorting = useSorting(query, sort);
  const page = Math.max(1, Number(query.get('page') ?? 1) || 1);
  const state = query.get('state') ?? '';
  const search = query.get('search') ?? '';
  const address = new URLSearchParams({ page: String(page), size: String(PAGE_SIZE), sort: (sorting.descending ? '-' : '') + sorting.by });
  if (state) address.set('state', state);
  if (search) address.set('search', search);
  const live = useLive<Rows<Row>>(`api/spark/${kind}?${address}`);
  return { ...live, sorting, page, state, search };
}

function StateChoice({ value, states }: { value: string; states: [string, string][] }) {
  return (
    <select value={value} aria-label={t('state')} onChange={(event) => setQuery({ state: event.currentTarget.value, page: null })}>
      <option value="">{t('allStates')}</option>
      {states.map(([state, label]) => <option key={state} value={state}>{label}</option>)}
    </select>
  );
}

export function ProgramsPage({ query }: { query: URLSearchParams }) {
  const { data, error, refresh, sorting, page, state, search } = useList<Program>('programs', query, '-startedMs');
  useTitle(t('programs'));
  return (
    <>
      <div class="titlebar"><h1>{t('programs')}</h1></div>
      <div class="bar">
        <SearchBox value={search} />
        <StateChoice value={state} states={[['RUNNING', t('running')], ['FINISHED', t('finished')], ['KILLED', t('stopped')]]} />
      </div>
      {error && <Failure error={error} />}
      {data && <>
        <Programs label={t('programs')} rows={data.rows} done={refresh} sorting={sorting}
          empty={search ? common('noMatch', search) : <NoPrograms />} />
        <Pager page={page} pageSize={PAGE_SIZE} total={data.total} />
      </>}
    </>
  );
}

export function QueriesPage({ query }: { query: URLSearchParams }) {
  const { data, error, refresh, sorting, page, state, search } = useList<Query>('queries', query, '-startedMs');
  useTitle(t('queries'));
  return (
    <>
      <div class="titlebar"><h1>{t('queries')}</h1></div>
      <div class="bar">
        <SearchBox value={search} />
        <StateChoice value={state} states={[['RUNNING', t('running')], ['FAILED', t('failed')], ['FINISHED', t('finished')]]} />
      </div>
      {error && <Failure error={error} />}
      {data && <>
        <Queries label={t('queries')} rows={data.rows} done={refresh} sorting={sorting}
          empty={search ? common('noMatch', search) : t('noQueries')} />
        <Pager page={page} pageSize={PAGE_SIZE} total={data.total} />
      </>}
    </>
  );
}

export function ExecutionsPage({ query }: { query: URLSearchParams }) {
  const { data, error, refresh, sorting, page, state, search } = useList<Execution>('executions', query, '-id');
  useTitle(t('executions'));
  return (
    <>
      <div class="titlebar"><h1>{t('executions')}</h1></div>
      <div class="bar">
        <SearchBox value={search} />
        <StateChoice value={state} states={[['RUNNING', t('running')], ['COMPLETED', t('completed')], ['FAILED', t('failed')]]} />
      </div>
      {error && <Failure error={error} />}
      {data && <>
        <Executions label={t('executions')} rows={data.rows} done={refresh} sorting={sorting}
          empty={search ? common('noMatch', search) : t('noExecutions')} />
        <Pager page={page} pageSize={PAGE_SIZE} total={data.total} />
      </>}
    </>
  );
}

export const NoPrograms = () => <>{t('noPrograms')} <code>raudal run PROGRAM.py</code></>;
