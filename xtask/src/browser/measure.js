// What is wrong with the page as it is shown now, in sentences, and how high it is.
(() => {
  const wrong = [];
  const say = (what, element) =>
    wrong.length < 20 && wrong.push(`${what}: ${(element.textContent || '').trim().slice(0, 60)}`);
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    wrong.push(`${root.scrollWidth} pixels wide where there are ${root.clientWidth}`);
  }
  const shown = element => element.getClientRects().length > 0;
  for (const axis of document.querySelectorAll('.times')) {
    let end = -Infinity;
    for (const mark of axis.children) {
      if (!shown(mark)) continue;
      const box = mark.getBoundingClientRect();
      if (box.left < end + 2) say('marks overlap', mark);
      end = box.right;
      const room = axis.getBoundingClientRect();
      if (box.left < room.left - 8 || box.right > room.right + 8) say('a mark leaves its axis', mark);
    }
  }
  // Text in a box that does not scroll must not be cut or leave it.
  for (const element of document.querySelectorAll('.name,.top,td,th,dd,li,h1,h2,h3,p,summary,caption')) {
    if (!shown(element) || element.closest('.scroll,pre')) continue;
    const box = element.getBoundingClientRect();
    if (box.right > root.clientWidth + 1 || box.left < -1) say('leaves the page', element);
    if (element.scrollWidth > element.clientWidth + 2 && element.clientWidth > 0 &&
        getComputedStyle(element).display !== 'inline') say('is wider than its place', element);
  }
  for (const svg of document.querySelectorAll('svg')) {
    if (!shown(svg)) continue;
    const box = svg.getBoundingClientRect();
    if (box.width < 100 || box.height < 10) say(`a picture of ${box.width} by ${box.height}`, svg);
    if (!svg.getAttribute('aria-label') || svg.getAttribute('role') !== 'img') say('no name', svg);
  }
  const parts = colour => (colour.match(/[\d.]+/g) || []).map(Number);
  const light = colour => {
    const [r, g, b] = parts(colour).slice(0, 3).map(value => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      const [, , , alpha = 1] = parts(colour);
      if (alpha > 0.9) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  for (const element of document.querySelectorAll('body *')) {
    const hasText = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!hasText || !shown(element) || element.closest('svg')) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) say(`contrast ${contrast.toFixed(1)}`, element);
  }
  return {wrong, height: root.scrollHeight};
})()
