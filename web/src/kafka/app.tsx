// 8080, in place of Kafka UI.
import { useLive } from '../base/api';
import { Failure, Shell, start, useTitle } from '../base/shell';
import { t } from '../base/words';

function App() {
  const { data, error } = useLive<{ topics: { name: string }[] }>('json/');
  useTitle('Kafka');
  return (
    <Shell page="kafka" nav={[{ path: '', label: 'Topics', owns: [''] }]}>
      <h1>{t('kafka')}</h1>
      {error && <Failure error={error} />}
      <ul>{data?.topics.map((topic) => <li key={topic.name}>{topic.name}</li>)}</ul>
    </Shell>
  );
}
start(App);
