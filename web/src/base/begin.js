// Stands in each page itself. The theme that was chosen holds from the first picture on. The page's script is fetched once the
// browser has shown the plain HTML, so that the script's work does not hold that picture back; a page in the background is not
// painted, and fetches it at once.
{
  const theme = localStorage.getItem('raudal.theme'); // as shell.tsx keeps it
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;

  const source = document.currentScript.dataset.source;
  let isFetched = false;
  const fetchScript = () => {
    if (isFetched) return;
    isFetched = true;
    const script = document.createElement('script');
    script.type = 'module';
    script.src = source;
    document.head.append(script);
  };
  if (document.hidden) fetchScript();
  else new PerformanceObserver(fetchScript).observe({ type: 'paint', buffered: true });
}
