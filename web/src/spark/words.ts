import table from '../../words/spark.json';
import { makeWords } from '../base/words';

export const t = makeWords(table);
