/**
 * Finds NaN and Infinity in weights as they load, as kernels/finite.ts does: an exponent with all its bits set. Adding
 * the lowest bit of an exponent then carries into the bit above it.
 */

/**
 * Whether the `exponents` of every word at `from`, `from + step` and so on are finite. A word is read as 4 bytes, or the 2
 * that are left before `from + bytes`. Words need no alignment.
 */
export function allFinite(from: usize, bytes: usize, step: usize, exponents: u32): bool {
  const lowest = exponents & ~(exponents << 1);
  const above = (exponents << 1) & ~exponents;
  const end = from + bytes;
  let seen: u32 = 0;
  if (step == 4) {
    const mask = i32x4.splat(exponents), one = i32x4.splat(lowest);
    let a = i32x4.splat(0), b = a;
    for (; from + 32 <= end; from += 32) {
      a = v128.or(a, i32x4.add(v128.and(v128.load(from), mask), one));
      b = v128.or(b, i32x4.add(v128.and(v128.load(from, 16), mask), one));
    }
    if (v128.any_true(v128.and(v128.or(a, b), i32x4.splat(above)))) return false;
  }
  for (; from + 4 <= end; from += step) seen |= (load<u32>(from) & exponents) + lowest;
  if (from + 2 <= end) seen |= (load<u16>(from) & exponents) + lowest;
  return (seen & above) == 0;
}
