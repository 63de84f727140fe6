/** y[t][c] = fn(x[t][c]); kernels/reference/map.ts defines the functions */
import type { MapFunction } from '../reference/map.ts';
import type { KernelSource } from './kernel-source.ts';

/** x / 2 times 1 - erf(|x| / sqrt(2)). */
function tailOf(x: string): string {
  const z = `(Math.abs(${x}) * ${Math.SQRT1_2})`;
  const t = `(1 / (1 + 0.3275911 * ${z}))`;
  const sum = `((((1.061405429 * ${t} - 1.453152027) * ${t} + 1.421413741) * ${t} - 0.284496736) * ${t} + 0.254829592) * ${t}`;
  return `(0.5 * ${x} * (${sum}) * Math.exp(-${z} * ${z}))`;
}

/** 2 / (1 + e^-2z) - 1; near 0, where that cancels, its Taylor series. */
function tanhOf(x: string): string {
  const z = `Math.max(-10, Math.min(10, ${x}))`;
  const series = `${z} * (1 + ${z} * ${z} * (-0.3333333333 + ${z} * ${z} * (0.1333333333 + ${z} * ${z} * (-0.05396825397 + ${z} * ${z} * 0.02186948854))))`;
  return `(Math.abs(${x}) < 0.25 ? ${series} : 2 / (1 + Math.exp(-2 * ${z})) - 1)`;
}

/** max(x, 0) + 2 artanh(s), with s = y / (2 + y) at most 1/3 and y = e^-|x|. */
function softplusOf(x: string): string {
  const s = `(Math.exp(-Math.abs(${x})) / (2 + Math.exp(-Math.abs(${x}))))`;
  const series = [13, 11, 9, 7, 5, 3].reduce((sum, n) => `(${sum} * ${s} * ${s} + ${2 / n})`, `${2 / 15}`);
  return `(Math.max(${x}, 0) + ${s} * (${series} * ${s} * ${s} + 2))`;
}

/** The functions as expressions in `value` and the learned scalars s0, s1, ... */
const EXPRESSIONS: Readonly<Record<MapFunction, string>> = {
  silu: 'value / (1 + Math.exp(-value))',
  // (1 + tanh z) / 2 is sigmoid(2 z); the bound keeps exp finite.
  gelu: 'value / (1 + Math.exp(Math.min(-value * (1.5957691216057308 + 0.07135481282752 * value * value), 80)))',
  // erf by Abramowitz & Stegun 7.1.26, whose error is at most 1.5e-7.
  'gelu-erf': `(value > 0 ? value - ${tailOf('value')} : ${tailOf('value')})`,
  sigmoid: '1 / (1 + Math.exp(Math.min(-value, 80)))',
  // log(1 + y) is 2 artanh(y / (2 + y)), a series: log itself is less precise near 1.
  softplus: softplusOf('value'),
  'relu-squared': 'Math.max(value, 0) * Math.max(value, 0)',
  softcap: `s0 * ${tanhOf('(value / s0)')}`,
  multiply: 's0 * value',
  xielu: '(value > 0 ? s0 * value * value : s1 * (Math.exp(value) - 1 - value)) + 0.5 * value',
};

/** @param scalars learned; written into the text */
export function map(fn: MapFunction, scalars: readonly number[] = []): KernelSource {
  const text = `function (x) {
    ${scalars.map((scalar, i) => `const s${i} = ${scalar};`).join(' ')}
    const value = x[this.thread.y][this.thread.x];
    return ${EXPRESSIONS[fn]};
  }`;
  return { name: fn, text, args: ['Array'] };
}

/** The function applied to `sum0`, the sum of the gate, times `sum1` (matmul.ts). */
export function gated(fn: MapFunction): string {
  return `(${EXPRESSIONS[fn].replaceAll('value', 'sum0')}) * sum1`;
}
