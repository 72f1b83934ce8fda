// 8081 and 8082, in place of the pages of Spark's master and worker and of an application (4040).
import { useRoute, type Route } from '../base/router';
import { NotFound, Shell, start } from '../base/shell';
import { ExecutionPage } from './execution';
import { ExecutionsPage, ProgramsPage, QueriesPage } from './lists';
import { OverviewPage } from './overview';
import { QueryPage } from './query';
import { WorkerPage } from './worker';
import { t } from './words';

function Content({ route }: { route: Route }) {
  const [first, second, ...more] = route.path;
  if (more.length > 0) return <NotFound />;
  if (first === undefined) return <OverviewPage />;
  if (first === 'programs' && second === undefined) return <ProgramsPage query={route.query} />;
  if (first === 'queries') return second === undefined ? <QueriesPage query={route.query} /> : <QueryPage key={second} runId={second} />;
  if (first === 'sql') return second === undefined ? <ExecutionsPage query={route.query} /> : <ExecutionPage key={second} id={second} />;
  return <NotFound />;
}

function Master() {
  const route = useRoute();
  return (
    <Shell page="spark" nav={[
      { path: '', label: t('overview'), owns: [''] },
      { path: 'programs', label: t('programs'), owns: ['programs'] },
      { path: 'queries', label: t('queries'), owns: ['queries'] },
      { path: 'sql', label: t('sql'), owns: ['sql'] },
    ]}>
      <Content route={route} />
    </Shell>
  );
}

const Worker = () => <Shell page="worker" nav={[{ path: '', label: t('worker'), owns: [''] }]}><WorkerPage /></Shell>;

start(document.documentElement.dataset.page === 'worker' ? Worker : Master);
