// One SQL execution: its plan and what each operator did.
import { useLive } from '../base/api';
import { count, duration, size, time } from '../base/format';
import { at } from '../base/router';
import { Failure, Icon, useTitle } from '../base/shell';
import { Table } from '../base/table';
import { t as common } from '../base/words';
import { State, Stop, type ExecutionDetail } from './model';
import { copyText } from './query';
import { t } from './words';

const short = (ms: number): string => (ms < 1 ? `${Math.round(ms * 1000)} µs` : duration(ms));

export function ExecutionPage({ id }: { id: string }) {
  const { data, error, refresh } = useLive<ExecutionDetail>(`api/spark/executions/${encodeURIComponent(id)}`);
  useTitle(`SQL ${id}`);
  if (!data) return error ? <Failure error={error} /> : <p class="muted">{common('loading')}</p>;
  return (
    <>
      <div class="crumbs"><a href={at('sql')} data-route>{t('executions')}</a></div>
      <div class="titlebar">
        <h1>SQL {data.id}</h1>
        <State state={data.status} />
        <div class="actions">
          {data.status === 'RUNNING' && <Stop what="executions" id={data.id} name={data.description} done={refresh} label />}
        </div>
      </div>
      {data.error && <div class="notice bad" role="alert"><Icon name="warning" /> <pre class="plainpre">{data.error}</pre></div>}
      <section class="panel">
        <dl class="facts">
          <dt>{t('description')}</dt><dd><code>{data.description}</code></dd>
          <dt>{t('application')}</dt><dd>{data.applicationName || data.application}</dd>
          <dt>{t('user')}</dt><dd>{data.user}</dd>
          <dt>{t('submitted')}</dt><dd>{time(data.startedMs)}</dd>
          <dt>{t('duration')}</dt><dd>{duration(data.durationMs)}</dd>
          <dt>{t('rows')}</dt><dd>{count(data.rows)}</dd>
        </dl>
      </section>
      <section class="panel">
        <div class="panelhead">
          <h2>{t('plan')}</h2>
          {data.plan && <button type="button" class="plain" onClick={() => copyText(data.plan)}><Icon name="copy" />{common('copy')}</button>}
        </div>
        {data.plan ? <pre tabIndex={0} aria-label={t('plan')} class="planpre">{data.plan.trim()}</pre> : <p class="muted">{t('planLater')}</p>}
      </section>
      {data.operators.length > 0 && <>
        <div class="bar"><h2>{t('operators')}</h2></div>
        <Table label={t('operators')} rows={data.operators.map((row, index) => ({ ...row, index }))} rowKey={(row) => row.index} columns={[
          { name: 'name', label: t('operator'), grow: true, cell: (row) => <span style={{ paddingLeft: `${row.depth * 1.2}rem` }}>{row.name}</span> },
          { name: 'in', label: t('rowsIn'), number: true, cell: (row) => count(row.inputRows) },
          { name: 'out', label: t('rowsOut'), number: true, cell: (row) => count(row.outputRows) },
          { name: 'time', label: t('time'), number: true, cell: (row) => short(row.durationMs) },
          { name: 'memory', label: t('memory'), number: true, cell: (row) => (row.memory > 0 ? size(row.memory) : '–') },
        ]} />
      </>}
    </>
  );
}
