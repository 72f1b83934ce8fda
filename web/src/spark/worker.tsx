// 8082, in place of a Spark worker's page.
import { useLive } from '../base/api';
import { Failure, useTitle } from '../base/shell';
import { Executions, NoPrograms, Programs } from './lists';
import { type Execution, type Overview, type Program, type Rows } from './model';
import { WorkerRows } from './overview';
import { t } from './words';

export function WorkerPage() {
  const overview = useLive<Overview>('api/spark/overview');
  const programs = useLive<Rows<Program>>('api/spark/programs?state=RUNNING');
  const executions = useLive<Rows<Execution>>('api/spark/executions?size=10');
  const place = location.host;
  useTitle(t('workerTitle', place));
  return (
    <>
      <div class="titlebar">
        <h1>{t('workerTitle', place)}</h1>
        <span class="badge good">{t('alive')}</span>
      </div>
      {overview.error && <Failure error={overview.error} />}
      {overview.data && !overview.data.serves && <p class="notice warn">{t('noSpark')}</p>}
      {overview.data && <WorkerRows workers={overview.data.workers} />}
      <div class="bar"><h2>{t('executors')}</h2><small>{t('executorsText')}</small></div>
      {programs.data && <Programs label={t('executors')} rows={programs.data.rows} done={programs.refresh} empty={<NoPrograms />} />}
      <div class="bar"><h2>{t('executions')}</h2></div>
      {executions.data && <Executions label={t('executions')} rows={executions.data.rows} done={executions.refresh} empty={t('noExecutions')} />}
    </>
  );
}
