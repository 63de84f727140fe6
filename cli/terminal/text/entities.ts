/** Character references of HTML: common names, and numbers. */

/** Names and characters, alternating. */
const LETTERS = `
amp & lt < gt > quot " apos ' copy © reg ® trade ™ sect § para ¶ deg ° micro µ middot · bull • hellip …
ndash – mdash — minus − lsquo ‘ rsquo ’ ldquo “ rdquo ” laquo « raquo » dagger † cent ¢ pound £ yen ¥
euro € times × divide ÷ plusmn ± frac12 ½ frac14 ¼ frac34 ¾ sup2 ² sup3 ³ radic √ infin ∞ asymp ≈ ne ≠
le ≤ ge ≥ sum ∑ prod ∏ int ∫ part ∂ nabla ∇ isin ∈ notin ∉ cap ∩ cup ∪ sub ⊂ forall ∀ exist ∃ empty ∅
and ∧ or ∨ not ¬ larr ← uarr ↑ rarr → darr ↓ harr ↔ lArr ⇐ rArr ⇒ hArr ⇔ check ✓ cross ✗ alpha α beta β
gamma γ delta δ epsilon ε theta θ lambda λ mu μ pi π rho ρ sigma σ tau τ phi φ omega ω Delta Δ Sigma Σ
Omega Ω auml ä ouml ö uuml ü Auml Ä Ouml Ö Uuml Ü szlig ß agrave à aacute á acirc â egrave è eacute é
ecirc ê ccedil ç ntilde ñ oacute ó iacute í uacute ú aring å oslash ø aelig æ lbrace { rbrace } lbrack [
rbrack ] lpar ( rpar ) ast * num # vert | grave \` lowbar _ bsol \\ sol / colon : comma , period . excl !
quest ? dollar $ percnt % commat @ equals = plus + semi ;
`;

const NAMED = new Map<string, string>([
  ['nbsp', '\u00a0'],
  ...['ensp', 'emsp', 'thinsp', 'Tab', 'NewLine'].map((name) => [name, ' '] as const),
  ...[...LETTERS.matchAll(/(\S+) (\S+)/g)].map(([, name, letter]) => [name!, letter!] as const),
]);

/** Replaces all known references. The result may contain any character, also control characters. */
export function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(\w+));/g, (reference, decimal, hex, name) => {
    if (name !== undefined) return NAMED.get(name) ?? reference;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number.parseInt(decimal, 10);
    const possible = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return possible ? String.fromCodePoint(code) : '\ufffd';
  });
}
