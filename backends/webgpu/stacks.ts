/** Groups the matrices of a phase into stacks, each of which is multiplied in one call. */
import type { MatmulPhase, Product } from '../fuse.ts';
import type { Weight } from './weights.ts';

/** Products of one phase that are computed in one call. */
export interface StackOf {
  readonly products: readonly Product[];
  readonly inTurn: boolean; // rows of the matrices alternate
}

/** Adjacent matrices of one type share a stack. The rows of a gate and of its partner alternate. */
export function stacksOf(phase: MatmulPhase, weights: readonly Weight[]): StackOf[] {
  const typeOf = ({ weight }: Product) => weights[weight]!.desc.type;
  const { products, gate } = phase;
  if (gate) {
    const alike = typeOf(products[0]!) === typeOf(products[1]!);
    return alike ? [{ products, inTurn: true }] : products.map((one) => ({ products: [one], inTurn: false }));
  }
  const stacks: StackOf[] = [];
  for (const product of products) {
    const last = stacks.at(-1);
    if (last && typeOf(last.products[0]!) === typeOf(product)) {
      stacks[stacks.length - 1] = { ...last, products: [...last.products, product] };
    } else stacks.push({ products: [product], inTurn: false });
  }
  return stacks;
}
