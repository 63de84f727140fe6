// out[t][i][n] = weight[picks[t][i]][n] . x[t] or x[t][i], + bias: products with the matrices of the picked experts, whose
// rows lie one matrix after the other; every matrix once unless they are PICKED. 16 threads compute one number.
//
// The rows may be in parts of PART_ROWS each, the most that a binding holds; this part starts at row FIRST_ROW.
// x [T][X_STRIDE], picks [T][PICKS_STRIDE], out [T][OUT_STRIDE] f32, from their offsets on

override WG: u32;
override K: u32; // padded
override COLS: u32;
override N: u32; // rows of the matrix of an expert
override FIRST_ROW: u32;
override PART_ROWS: u32;
override X_STRIDE: u32;
override X_OFFSET: u32;
override X_PART: u32; // from the x of a pick to that of the next; 0 if all read the same
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;

@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> x: array<f32>;
#if PICKED
override PICKS_STRIDE: u32;
override PICKS_OFFSET: u32;
@group(0) @binding(5) var<storage, read> picks: array<f32>;
fn expert_of(token: u32, pick: u32) -> u32 {
  return u32(picks[token * PICKS_STRIDE + PICKS_OFFSET + pick]);
}
#else
fn expert_of(token: u32, pick: u32) -> u32 {
  return pick;
}
#end
#if BIAS
@group(0) @binding(6) var<storage, read> bias: array<f32>;
#end

#include weights-at

const LANES = 16u;
var<workgroup> sums: array<f32, WG>;

fn x_at(start: u32, k: u32) -> f32 {
  return select(0f, x[start + k], k < COLS);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let token = workgroup.z;
  let pick = workgroup.y;
  let n = workgroup.x * (WG / LANES) + local / LANES;
  let lane = local % LANES;
  let row = expert_of(token, pick) * N + n;
  let here = n < N && row - FIRST_ROW < PART_ROWS;
  var sum = 0f;
  if (here) {
    let start = token * X_STRIDE + X_OFFSET + pick * X_PART;
    for (var k = 4u * lane; k < COLS; k += 4u * LANES) {
      let numbers = vec4(x_at(start, k), x_at(start, k + 1u), x_at(start, k + 2u), x_at(start, k + 3u));
      sum += dot(weights_at(row - FIRST_ROW, k), numbers);
    }
  }
  sums[local] = sum;
  workgroupBarrier();
  if (here && lane == 0u) {
    var total = 0f;
    for (var i = 0u; i < LANES; i++) {
      total += sums[local + i];
    }
    #if BIAS
    total += bias[row];
    #end
    out[token * OUT_STRIDE + OUT_OFFSET + pick * N + n] = total;
  }
}
