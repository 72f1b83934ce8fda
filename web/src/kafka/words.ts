import kafka from '../../words/kafka.json';
import { makeWords } from '../base/words';

export const t = makeWords(kafka);
