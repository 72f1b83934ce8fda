// The start of 8081: what is in use, what runs.
import { useHistory, useLive } from '../base/api';
import { Sparkline } from '../base/chart';
import { count, size } from '../base/format';
import { at } from '../base/router';
import { Failure, useTitle } from '../base/shell';
import { Executions, NoPrograms, Programs, Queries } from './lists';
import { Meter, perSecond, type Execution, type Overview, type Program, type Query, type Rows, type Usage } from './model';
import { t } from './words';

const SHOWN = 8;

function Tile({ name, value, note, history, href, look }: {
  name: string; value: string; note?: string; history?: number[]; href?: string; look?: string;
}) {
  return (
    <div class="tile">
      <div class="name">{name}</div>
      <div class={`value ${look ?? ''}`}>{href === undefined ? value : <a href={at(href)} data-route>{value}</a>}</div>
      <small>{note ?? ' '}</small>
      {history && <Sparkline values={history} label={name} />}
    </div>
  );
}

export function WorkerRows({ workers }: { workers: Usage[] }) {
  return (
    <div class="columns">
      {workers.map((worker, index) => (
        <section class="panel" key={index} aria-label={`${t('worker')} ${index + 1}`}>
          <h2>{t('worker')} {index + 1} <span class="badge good">{t('alive')}</span></h2>
          <dl class="facts usage">
            <dt>{t('cores')}</dt>
            <dd>{t('ofTotal', worker.coresUsed, worker.cores)}<Meter part={worker.coresUsed / worker.cores} label={t('coresInUse')} /></dd>
            <dt>{t('memory')}</dt>
            <dd>{t('ofTotal', size(worker.memoryUsed), size(worker.memory))}<Meter part={worker.memoryUsed / worker.memory} label={t('memoryInUse')} /></dd>
          </dl>
        </section>
      ))}
    </div>
  );
}

export function OverviewPage() {
  const overview = useLive<Overview>('api/spark/overview');
  const programs = useLive<Rows<Program>>(`api/spark/programs?state=RUNNING&size=${SHOWN}`);
  const queries = useLive<Rows<Query>>(`api/spark/queries?size=${SHOWN}`);
  const executions = useLive<Rows<Execution>>('api/spark/executions?size=5');
  const data = overview.data;
  const cores = useHistory(data?.usage.coresUsed ?? null);
  const memory = useHistory(data?.usage.memoryUsed ?? null);
  const input = useHistory(data?.inputRowsPerSecond ?? null);
  const processed = useHistory(data?.processedRowsPerSecond ?? null);
  useTitle(t('masterTitle', data?.url ?? ''));
  const refresh = (): void => {
    overview.refresh();
    programs.refresh();
    queries.refresh();
    executions.refresh();
  };
  return (
    <>
      <div class="titlebar">
        <h1>{t('masterTitle', data?.url ?? '…')}</h1>
        <span class="badge good">{t('alive')}</span>
      </div>
      {overview.error && <Failure error={overview.error} />}
      {data && !data.serves && <p class="notice warn">{t('noSpark')}</p>}
      {data && (
        <div class="tiles">
          <Tile name={t('coresInUse')} value={t('ofTotal', data.usage.coresUsed, data.usage.cores)} history={cores} />
          <Tile name={t('memoryInUse')} value={size(data.usage.memoryUsed)} history={memory}
            note={`${t('ofTotal', '', size(data.usage.memory)).trim()} · ${t('memoryPeak', size(data.usage.memoryUsedMax))}`} />
          <Tile name={t('inputPerSecond')} value={perSecond(data.inputRowsPerSecond)} history={input} note={t('rowsPerSecond')} />
          <Tile name={t('processPerSecond')} value={perSecond(data.processedRowsPerSecond)} history={processed} note={t('rowsPerSecond')} />
          <Tile name={t('queries')} value={count(data.queriesRunning)} href="queries"
            note={data.queriesFailed > 0 ? `${count(data.queriesFailed)} ${t('failed')}` : t('running')} />
          <Tile name={t('executions')} value={count(data.executions)} href="sql" note={`${count(data.executionsRunning)} ${t('running')}`} />
        </div>
      )}
      <Section title={t('runningPrograms')} href="programs" total={data?.programs ?? 0} shown={programs.data?.total ?? 0} label={t('programs')}>
        {programs.data && <Programs label={t('runningPrograms')} rows={programs.data.rows} done={refresh} empty={<NoPrograms />} />}
      </Section>
      <Section title={t('queries')} href="queries" total={queries.data?.total ?? 0} shown={SHOWN} label={t('queries')}>
        {queries.data && <Queries label={t('queries')} rows={queries.data.rows} done={refresh} empty={t('noQueries')} />}
      </Section>
      <Section title={t('executions')} href="sql" total={executions.data?.total ?? 0} shown={5} label={t('executions')}>
        {executions.data && <Executions label={t('executions')} rows={executions.data.rows} done={refresh} empty={t('noExecutions')} />}
      </Section>
      <div class="bar"><h2>{t('workers')}</h2></div>
      {data && <WorkerRows workers={data.workers} />}
    </>
  );
}

// A table of the overview, with the way to all of them when there are more than it shows.
function Section({ title, href, total, shown, label, children }: {
  title: string; href: string; total: number; shown: number; label: string; children: preact.ComponentChildren;
}) {
  return (
    <>
      <div class="bar">
        <h2>{title}</h2>
        {total > shown && <a class="end" href={at(href)} data-route>{t('more', `${count(total)} ${label.toLowerCase()}`)}</a>}
      </div>
      {children}
    </>
  );
}
