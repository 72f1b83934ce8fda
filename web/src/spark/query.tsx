// One streaming query: how fast it is, what its batches spend their time on, where it reads and what went wrong.
import { useLive } from '../base/api';
import { Chart } from '../base/chart';
import { count, duration, size, time } from '../base/format';
import { at } from '../base/router';
import { Failure, Icon, toast, useTitle } from '../base/shell';
import { Table } from '../base/table';
import { language, t as common } from '../base/words';
import { perSecond, PHASES, queryName, Since, State, Stop, type Offset, type Progress, type QueryDetail } from './model';
import { t } from './words';

const offset = (value: Offset): string => (value === null || value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value));

export function copyText(text: string): void {
  void navigator.clipboard?.writeText(text).then(() => toast(common('copied')), () => toast(common('failed'), true));
}

function Fast({ query }: { query: QueryDetail }) {
  const running = query.status === 'RUNNING';
  const watermark = query.progress?.eventTime?.watermark;
  const state = (query.progress?.stateOperators ?? []).reduce((sum, one) => sum + (one.numRowsTotal ?? 0), 0);
  const tiles: [string, string, string][] = [
    [t('input'), running ? `${perSecond(query.inputRowsPerSecond)} /s` : '–', t('average', perSecond(query.averageInputRowsPerSecond))],
    [t('process'), running ? `${perSecond(query.processedRowsPerSecond)} /s` : '–', t('average', perSecond(query.averageProcessedRowsPerSecond))],
    [t('batchDuration'), duration(query.batchMs), `${t('batch')}: ${query.batchId < 0 ? '–' : count(query.batchId)}`],
    [t('inputRows'), count(query.inputRows), `${t('batches')}: ${count(query.batches)}`],
  ];
  if (state > 0 || (query.progress?.stateOperators.length ?? 0) > 0) tiles.push([t('stateRows'), count(state), ' ']);
  if (query.lagMessages !== undefined) tiles.push([t('lag'), count(query.lagMessages), query.lagMessages > 0 ? t('lagSeconds', (query.lagSeconds ?? 0).toFixed(1)) : ' ']);
  if (watermark) tiles.push([t('watermark'), watermark.slice(11, 23), watermark.slice(0, 10)]);
  return (
    <div class="tiles">
      {tiles.map(([name, value, note]) => (
        <div class="tile" key={name}><div class="name">{name}</div><div class="value">{value}</div><small>{note}</small></div>
      ))}
    </div>
  );
}

function Charts({ history }: { history: QueryDetail['history'] }) {
  if (history.times.length < 2) return null;
  const ms = (value: number): string => (value < 10 ? `${perSecond(value)} ms` : duration(value));
  return (
    <div class="columns charts">
      <section class="panel">
        <h2>{t('input')} <small>{t('rowsPerSecond')}</small></h2>
        <Chart times={history.times} label={t('input')} format={perSecond} lines={[{ label: t('input'), values: history.inputRowsPerSecond }]} />
      </section>
      <section class="panel">
        <h2>{t('process')} <small>{t('rowsPerSecond')}</small></h2>
        <Chart times={history.times} label={t('process')} format={perSecond} lines={[{ label: t('process'), values: history.processedRowsPerSecond }]} />
      </section>
      <section class="panel">
        <h2>{t('phases')}</h2>
        <Chart times={history.times} label={t('phases')} format={ms} stacked
          lines={PHASES.map((phase) => ({ label: phase, values: history[phase] }))} />
      </section>
      <section class="panel">
        <h2>{t('rowsPerBatch')}</h2>
        <Chart times={history.times} label={t('rowsPerBatch')} format={perSecond} lines={[{ label: t('inputRows'), values: history.inputRows }]} />
      </section>
      {history.stateRows.some((rows) => rows > 0) && (
        <section class="panel">
          <h2>{t('stateRows')}</h2>
          <Chart times={history.times} label={t('stateRows')} format={perSecond} lines={[{ label: t('stateRows'), values: history.stateRows }]} />
        </section>
      )}
    </div>
  );
}

function Sources({ progress }: { progress: Progress }) {
  return (
    <Table label={t('sources')} rows={progress.sources} rowKey={(row) => row.description} columns={[
      { name: 'source', label: t('source'), grow: true, cell: (row) => <span class="mono">{row.description}</span> },
      { name: 'from', label: t('from'), cell: (row) => <code>{offset(row.startOffset)}</code> },
      { name: 'to', label: t('to'), cell: (row) => <code>{offset(row.endOffset)}</code> },
      { name: 'latest', label: t('latest'), narrow: 'hide', cell: (row) => <code>{offset(row.latestOffset)}</code> },
      { name: 'rows', label: t('inputRows'), number: true, cell: (row) => count(row.numInputRows) },
    ]} />
  );
}

function StateTable({ progress }: { progress: Progress }) {
  const figure = (value: number | undefined): string => (value === undefined ? '–' : count(value));
  return (
    <>
      <div class="bar"><h2>{t('stateOperators')}</h2></div>
      <Table label={t('stateOperators')} rows={progress.stateOperators} rowKey={(row) => row.operatorName ?? ''} columns={[
        { name: 'name', label: t('operator'), grow: true, cell: (row) => row.operatorName ?? '' },
        { name: 'rows', label: t('rows'), number: true, cell: (row) => figure(row.numRowsTotal) },
        { name: 'updated', label: t('stateUpdated'), number: true, cell: (row) => figure(row.numRowsUpdated) },
        { name: 'removed', label: t('stateRemoved'), number: true, cell: (row) => figure(row.numRowsRemoved) },
        { name: 'dropped', label: t('stateDropped'), number: true, cell: (row) => figure(row.numRowsDroppedByWatermark) },
        { name: 'memory', label: t('stateMemory'), number: true, cell: (row) => (row.memoryUsedBytes === undefined ? '–' : size(row.memoryUsedBytes)) },
      ]} />
    </>
  );
}

// The first sentence in full; the others, less telling, below it.
function Why({ query }: { query: QueryDetail }) {
  const sentences = query.reasons.map((one) => one.sentence[language === 'es' ? 1 : 0]);
  if (sentences.length === 0) return null;
  return (
    <p class="notice" aria-label={t('why')}>
      {sentences[0]}.
      {sentences.slice(1).map((one) => <small key={one}><br />{one}.</small>)}
    </p>
  );
}

function Problems({ query }: { query: QueryDetail }) {
  return (
    <>
      {query.error && <div class="notice bad" role="alert"><Icon name="warning" /> <pre class="plainpre">{query.error}</pre></div>}
      {query.badRecords > 0 && (
        <div class="notice warn">
          <Icon name="warning" /> {t('badRecords', count(query.badRecords))}.{' '}
          {query.firstBadField ? t('badRecord', query.firstBadField, query.firstBadReason) : t('badRecordWhole', query.firstBadReason)}
          <pre>{query.firstBadRecord}</pre>
        </div>
      )}
      {query.status === 'RUNNING' && query.batches > 5 && query.averageProcessedRowsPerSecond > 0 &&
        query.averageProcessedRowsPerSecond < query.averageInputRowsPerSecond && <p class="notice warn">{t('behind')}</p>}
    </>
  );
}

export function QueryPage({ runId }: { runId: string }) {
  const { data: query, error, refresh } = useLive<QueryDetail>(`api/spark/queries/${encodeURIComponent(runId)}`, { every: 1500 });
  useTitle(query ? queryName(query) : t('queries'));
  if (!query) return error ? <Failure error={error} /> : <p class="muted">{common('loading')}</p>;
  const json = query.progress ? JSON.stringify(query.progress, null, 2) : '';
  return (
    <>
      <div class="crumbs"><a href={at('queries')} data-route>{t('queries')}</a></div>
      <div class="titlebar">
        <h1>{queryName(query)}</h1>
        <State state={query.status} />
        <small>{query.message}</small>
        <div class="actions">
          {query.status === 'RUNNING' && <Stop what="queries" id={query.runId} name={queryName(query)} done={refresh} label />}
        </div>
      </div>
      {error && <Failure error={error} />}
      <Problems query={query} />
      <Why query={query} />
      <Fast query={query} />
      <Charts history={query.history} />
      {query.progress && <>
        <div class="bar"><h2>{t('sources')}</h2></div>
        <Sources progress={query.progress} />
        {query.progress.stateOperators.length > 0 && <StateTable progress={query.progress} />}
      </>}
      <div class="columns details">
        <section class="panel">
          <h2>{t('details')}</h2>
          <dl class="facts">
            <dt>{t('started')}</dt><dd>{time(query.startedMs)}</dd>
            <dt>{t('duration')}</dt><dd><Since {...query} /></dd>
            <dt>{t('application')}</dt><dd><code>{query.application || '–'}</code></dd>
            <dt>{t('sink')}</dt><dd>{query.progress?.sink.description ?? query.sink}</dd>
            <dt>{t('checkpoint')}</dt><dd><code>{query.checkpoint || t('temporary')}</code></dd>
            <dt>{t('id')}</dt><dd><code>{query.id}</code></dd>
            <dt>{t('runId')}</dt><dd><code>{query.runId}</code></dd>
          </dl>
        </section>
        <section class="panel">
          <h2>{t('plan')}</h2>
          <pre tabIndex={0} aria-label={t('plan')}>{query.plan}</pre>
        </section>
      </div>
      <section class="panel">
        <div class="panelhead">
          <h2>{t('progress')}</h2>
          {json && <button type="button" class="plain" onClick={() => copyText(json)}><Icon name="copy" />{t('copyJson')}</button>}
        </div>
        {json ? <pre tabIndex={0} class="scrolled" aria-label={t('progress')}>{json}</pre> : <p class="muted">{t('noProgress')}</p>}
      </section>
    </>
  );
}
