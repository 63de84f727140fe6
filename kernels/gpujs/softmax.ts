/**
 * p[r][i] = exp(x[r][i] - max) / sum over j < length of exp(x[r][j] - max), in four kernels. Attention uses the first
 * two and divides by the sum while it mixes values. Each row has a length; numbers beyond it are not read.
 */
import { type KernelSource, PARTIALS } from './kernel-source.ts';

/** maxima[r][i]: the maximum of x[r][i], x[r][i + 16], ...; x[r][0] if there are none. lengths: [rows] */
export const MAXIMA: KernelSource = {
  name: 'maxima',
  text: `function (x, lengths) {
    let max = x[this.thread.y][0];
    for (let p = this.thread.x; p < lengths[this.thread.y]; p += ${PARTIALS}) {
      max = Math.max(max, x[this.thread.y][p]);
    }
    return max;
  }`,
  args: ['Array', 'Array'],
};

/** exp(x - max), 0 beyond the length */
export const EXPONENTIALS: KernelSource = {
  name: 'exponentials',
  text: `function (x, maxima, lengths) {
    if (this.thread.x >= lengths[this.thread.y]) return 0;
    let max = maxima[this.thread.y][0];
    for (let i = 1; i < ${PARTIALS}; i++) max = Math.max(max, maxima[this.thread.y][i]);
    return Math.exp(x[this.thread.y][this.thread.x] - max);
  }`,
  args: ['Array', 'Array', 'Array'],
};

/** sums[r][i]: the sum of x[r][i], x[r][i + 16], ... */
export const SUMS: KernelSource = {
  name: 'sums',
  text: `function (x, lengths) {
    let sum = 0;
    for (let p = this.thread.x; p < lengths[this.thread.y]; p += ${PARTIALS}) sum += x[this.thread.y][p];
    return sum;
  }`,
  args: ['Array', 'Array'],
};

/** x[r][i] divided by the sum of its row */
export const SHARES: KernelSource = {
  name: 'shares',
  text: `function (x, sums) {
    let sum = 0;
    for (let i = 0; i < ${PARTIALS}; i++) sum += sums[this.thread.y][i];
    return x[this.thread.y][this.thread.x] / sum;
  }`,
  args: ['Array', 'Array'],
};
