/** One piece of a message: plain text, or text that is also an address. */
export type Piece = { text: string; href?: string };

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\u0000-\u0020\u007f-\u00a0\u2028\u2029]+/giu;
const CLOSERS: Record<string, string> = { ')': '(', ']': '[', '}': '{' };

/* A sentence's punctuation right after an address belongs to the sentence; a closing bracket only when the address
 * did not open it itself. */
const trimEnd = (text: string): string => {
  let end = text.length;
  while (end > 0) {
    const last = text[end - 1]!;
    const opener = CLOSERS[last];
    if (opener !== undefined) {
      const body = text.slice(0, end);
      if (body.split(opener).length >= body.split(last).length) break;
    } else if (!/[.,;:!?…*_~]/u.test(last)) {
      break;
    }
    end--;
  }
  return text.slice(0, end);
};

/**
 * Splits a text into plain pieces and addresses. Only http and https become addresses, and only if the platform's own
 * parser agrees; everything else stays text, so that nothing a person writes can run or mark up anything.
 */
export const linkify = (text: string): Piece[] => {
  const pieces: Piece[] = [];
  let from = 0;
  for (const found of text.matchAll(ADDRESS)) {
    const shown = trimEnd(found[0]);
    let url: URL;
    try {
      url = new URL(shown);
    } catch {
      continue;
    }
    if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '' || url.password !== '') continue;
    if (found.index > from) pieces.push({ text: text.slice(from, found.index) });
    pieces.push({ text: shown, href: url.href });
    from = found.index + shown.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from) });
  return pieces;
};
