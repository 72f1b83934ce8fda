// 9870, in place of the NameNode's pages, at its addresses: dfshealth.html#tab-overview and #tab-datanode, explorer.html#/path.
import { useEffect, useState } from 'preact/hooks';
import { useRoute } from '../base/router';
import { NotFound, Shell, start } from '../base/shell';
import { ExplorerPage } from './folder';
import { DatanodesPage, OverviewPage } from './overview';
import { t } from './words';

const STARTS = ['', 'index.html', 'dfshealth.html'];

function useHash(): string {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = (): void => setHash(location.hash);
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return hash;
}

function App() {
  const route = useRoute();
  const hash = useHash();
  const first = route.path[0] ?? '';
  const isStart = STARTS.includes(first);
  const isNodes = first === 'datanodes' || (isStart && hash.startsWith('#tab-datanode'));
  return (
    <Shell page="hdfs" nav={[
      { path: '', label: t('overview'), owns: isNodes ? [] : STARTS },
      { path: 'explorer.html', label: t('browse'), owns: ['explorer.html', 'explorer'] },
      { path: 'datanodes', label: t('datanodes'), owns: isNodes ? [first] : [] },
    ]}>
      {isNodes ? <DatanodesPage /> : isStart ? <OverviewPage />
        : first === 'explorer.html' || first === 'explorer' ? <ExplorerPage route={route} /> : <NotFound />}
    </Shell>
  );
}
start(App);
