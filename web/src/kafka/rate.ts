// How fast a total grows: differences per second of its value over the last minutes.
import { useEffect, useRef, useState } from 'preact/hooks';

const EVERY_MS = 2000;
const LENGTH = 60;

export function useRate(total: number): number[] {
  const latest = useRef(total);
  latest.current = total;
  const [rates, setRates] = useState<number[]>([]);
  useEffect(() => {
    let last = latest.current;
    const timer = setInterval(() => {
      if (document.hidden) return;
      const grown = Math.max(0, latest.current - last);
      last = latest.current;
      setRates((old) => [...old.slice(1 - LENGTH), (grown * 1000) / EVERY_MS]);
    }, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return rates;
}
