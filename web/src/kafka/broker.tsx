// The broker: where it is, what its disk holds, how it is set.
import { useLive } from '../base/api';
import { count, duration, size } from '../base/format';
import { at, setQuery, useRoute } from '../base/router';
import { Failure, useTitle } from '../base/shell';
import { SearchBox, Table, type Column } from '../base/table';
import { t as common } from '../base/words';
import { CLUSTER, topicRoute, type Setting, type TopicRow } from './model';
import { t } from './words';

interface Broker {
  host: string;
  port: number;
  clusterId: string;
  directory: string;
  startedMs: number;
  running: boolean;
}
interface LogDirs {
  topics: TopicRow[];
  totals: { size: number };
  diskTotal: number;
  diskUsable: number;
}

export function BrokerPage() {
  const { query } = useRoute();
  const brokers = useLive<Broker[]>(`${CLUSTER}/brokers`, { every: 5000 });
  const disk = useLive<LogDirs>(`${CLUSTER}/brokers/logdirs`, { every: 5000 });
  const settings = useLive<Setting[]>(`${CLUSTER}/brokers/1/configs`, { every: 60000 });
  const search = query.get('search') ?? '';
  const onlySet = query.get('set') === '1';
  useTitle(t('broker'));
  const broker = brokers.data?.[0];
  const own = (setting: Setting): boolean => setting.source !== 'DEFAULT_CONFIG';
  const rows = (settings.data ?? []).filter((one) => (!onlySet || own(one)) && `${one.name} ${one.help}`.toLowerCase().includes(search.toLowerCase()));
  const columns: Column<Setting>[] = [
    { name: 'name', label: t('setting'), cell: (one) => <><span class="mono">{one.name}</span>{own(one) && <> <span class="badge accent">{t('ownValue')}</span></>}</> },
    { name: 'value', label: t('value'), cell: (one) => <span class="mono">{one.value}</span> },
    { name: 'help', label: '', grow: true, narrow: 'hide', cell: (one) => <span class="muted">{one.help}</span> },
  ];
  const error = brokers.error ?? disk.error ?? settings.error;
  return (
    <>
      <div class="titlebar"><h1>{t('broker')}</h1>{broker && <span class={`badge ${broker.running ? 'good' : 'bad'}`}>{broker.running ? t('running') : t('stopped')}</span>}</div>
      {error && <Failure error={error} />}
      <div class="columns">
        {broker && (
          <section class="panel">
            <dl class="facts">
              <dt>{t('address')}</dt><dd class="mono">{broker.host}:{broker.port}</dd>
              <dt>{t('cluster')}</dt><dd class="mono">{broker.clusterId}</dd>
              <dt>{t('directory')}</dt><dd class="mono">{broker.directory}</dd>
              <dt>{t('started')}</dt><dd>{duration(Math.max(0, Date.now() - broker.startedMs))}</dd>
            </dl>
          </section>
        )}
        {disk.data && <Disk disk={disk.data} />}
      </div>
      <h2 class="section">{t('settings')}</h2>
      <div class="bar">
        <SearchBox value={search} label={t('searchSettings')} />
        <label class="check"><input type="checkbox" checked={onlySet} onChange={(event) => setQuery({ set: event.currentTarget.checked ? 1 : null })} />{t('onlySet')}</label>
      </div>
      {settings.data && <Table label={t('settings')} columns={columns} rows={rows} rowKey={(one) => one.name} empty={common('noMatch', search)} />}
    </>
  );
}

function Disk({ disk }: { disk: LogDirs }) {
  const largest = disk.topics.filter((topic) => topic.segmentSize > 0).slice(0, 6);
  const most = Math.max(1, largest[0]?.segmentSize ?? 1);
  return (
    <section class="panel">
      <h2>{t('disk')}</h2>
      <div class="meter"><i style={{ width: `${disk.diskTotal > 0 ? ((disk.diskTotal - disk.diskUsable) / disk.diskTotal) * 100 : 0}%` }} /></div>
      <p class="muted">{t('diskUsed', size(disk.totals.size), size(disk.diskUsable), size(disk.diskTotal))}</p>
      {largest.length > 0 && <h3 class="section">{t('largest')}</h3>}
      <ul class="bars">
        {largest.map((topic) => (
          <li key={topic.name}>
            <a href={at(topicRoute(topic.name))} data-route>{topic.name}</a>
            <span class="muted">{size(topic.segmentSize)} · {count(topic.messagesCount)}</span>
            <div class="meter"><i style={{ width: `${(topic.segmentSize / most) * 100}%` }} /></div>
          </li>
        ))}
      </ul>
    </section>
  );
}
