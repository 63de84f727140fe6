/** Which matrices of a phase lie together on the device, and are multiplied in one call. */
import type { MatmulPhase, Product } from '../fuse.ts';
import type { Weight } from './weights.ts';

/** Products of one phase that are computed in one call. */
export interface StackOf {
  readonly products: readonly Product[];
  readonly inTurn: boolean;
}

/** Matrices next to each other that lie in one form go into one stack; a gate and its partner in turn. */
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
