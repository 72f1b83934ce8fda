// All consumer groups.
import { useLive } from '../base/api';
import { count } from '../base/format';
import { at, encode, useRoute } from '../base/router';
import { Failure, useTitle } from '../base/shell';
import { Pager, SearchBox, Table, useSorting, type Column } from '../base/table';
import { t as common } from '../base/words';
import { CHANGES, CLUSTER, groupRoute, type GroupList, type GroupRow } from './model';
import { State } from './topic';
import { t } from './words';

const PAGE_SIZE = 25;

export function GroupsPage() {
  const { query } = useRoute();
  const sorting = useSorting(query, 'name');
  const search = query.get('search') ?? '';
  const page = Number(query.get('page') ?? 1);
  const sort = (sorting.descending ? '-' : '') + sorting.by;
  const { data, error } = useLive<GroupList>(
    `${CLUSTER}/consumer-groups/paged?page=${page}&perPage=${PAGE_SIZE}&search=${encode(search)}&sort=${sort}`, { changes: CHANGES });
  useTitle(t('groups'));
  const columns: Column<GroupRow>[] = [
    { name: 'group', label: t('group'), sort: 'name', grow: true, cell: (group) => <a href={at(groupRoute(group.groupId))} data-route data-row>{group.groupId}</a> },
    { name: 'state', label: t('state'), sort: 'state', cell: (group) => <State state={group.state} /> },
    { name: 'members', label: t('members'), sort: 'members', number: true, cell: (group) => count(group.members) },
    { name: 'topics', label: t('topicsCount'), number: true, narrow: 'hide', cell: (group) => count(group.topics) },
    { name: 'lag', label: t('lag'), sort: 'lag', number: true, cell: (group) => count(group.consumerLag) },
  ];
  return (
    <>
      <div class="titlebar"><h1>{t('groups')}</h1></div>
      {error && <Failure error={error} />}
      <div class="bar"><SearchBox value={search} label={t('searchGroups')} /></div>
      {data && <Table label={t('groups')} columns={columns} rows={data.consumerGroups} rowKey={(group) => group.groupId} sorting={sorting}
        empty={search === '' ? t('noGroups') : common('noMatch', search)} />}
      {data && <Pager page={page} pageSize={PAGE_SIZE} total={data.total} />}
    </>
  );
}
