// 8080, in place of Kafka UI: topics, messages, consumer groups, the broker.
import { useRoute } from '../base/router';
import { NotFound, Shell, start } from '../base/shell';
import { BrokerPage } from './broker';
import { GroupPage } from './group';
import { GroupsPage } from './groups';
import { TopicPage } from './topic';
import { TopicsPage } from './topics';
import { t } from './words';

function Content() {
  const { path } = useRoute();
  const [section, name] = path;
  if (section === undefined) return <TopicsPage />;
  if (section === 'topics' && name !== undefined) return <TopicPage key={name} name={name} />;
  if (section === 'groups') return name === undefined ? <GroupsPage /> : <GroupPage key={name} name={name} />;
  if (section === 'broker') return <BrokerPage />;
  return <NotFound />;
}

function App() {
  const nav = [
    { path: '', label: t('topics'), owns: ['', 'topics'] },
    { path: 'groups', label: t('groups'), owns: ['groups'] },
    { path: 'broker', label: t('broker'), owns: ['broker'] },
  ];
  return <Shell page="kafka" nav={nav}><Content /></Shell>;
}
start(App);
