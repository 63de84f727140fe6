// Epilogue of every product: adds the sums of the lanes, then applies bias, residual, gate, or rounding to 8 bits.
//
// out     [T][OUT_STRIDE] vec4<f32>, from column OUT_OFFSET on; rounded: four bytes a word, and out_scales as x_scales
// GATED   rows alternate between gate and up: out[n] = fn(y[2n]) * y[2n + 1]
// ROUNDED (of GATED) a workgroup holds whole blocks of 32 outputs

#include round-block
#if GATED
alias Numbers = vec2<f32>;
#include map-function
#end

override WG: u32;
override LANES: u32; // threads that share a group of rows
override QUADS: u32; // of rows, padding included
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;

#if ROUNDED
@group(0) @binding(5) var<storage, read_write> out: array<u32>;
@group(0) @binding(6) var<storage, read_write> out_scales: array<vec2<f32>>;
const QUADS_EACH = ROWS_EACH / 4u;
var<workgroup> gated: array<f32, WG / LANES * QUADS_EACH * 2u>;
#else
#if GATED
@group(0) @binding(5) var<storage, read_write> out: array<vec2<f32>>;
#else
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;
#end
#end
#if RESIDUAL
@group(0) @binding(6) var<storage, read> residual: array<vec4<f32>>;
override RESIDUAL_STRIDE: u32; // vec4s
override RESIDUAL_OFFSET: u32;
#end
#if BIAS
@group(0) @binding(7) var<storage, read> bias: array<vec4<f32>>;
#end

#if LANES_MEET == memory
var<workgroup> partial_sums: array<vec4<f32>, WG>;
#end

// The sum over the lanes of a row group; valid in lane 0.
fn over_lanes(local: u32, lane: u32, sums: vec4<f32>) -> vec4<f32> {
  #if LANES_MEET == none
  return sums;
  #end
  #if LANES_MEET == subgroup
  var all = sums;
  for (var apart = LANES / 2u; apart > 0u; apart /= 2u) {
    all += subgroupShuffleXor(all, apart);
  }
  return all;
  #end
  #if LANES_MEET == memory
  partial_sums[local] = sums;
  workgroupBarrier();
  var all = vec4<f32>();
  if (lane == 0u) {
    for (var i = 0u; i < LANES; i++) {
      all += partial_sums[local + i];
    }
  }
  workgroupBarrier();
  return all;
  #end
}

// Stores the sums of 4 rows of a token. All threads of the workgroup must call it together.
fn output(token: u32, quad: u32, lane: u32, local: u32, sums: vec4<f32>) {
  var y = over_lanes(local, lane, sums);
  if (lane != 0u || quad >= QUADS) {
    return;
  }
  #if BIAS
  y += bias[quad];
  #end
  #if RESIDUAL
  y += residual[token * RESIDUAL_STRIDE + RESIDUAL_OFFSET + quad];
  #end
  #if GATED
  let both = mapped(y.xz) * y.yw;
  #if ROUNDED
  let at = 2u * (quad % (WG / LANES * QUADS_EACH));
  gated[at] = both.x;
  gated[at + 1u] = both.y;
  #else
  out[token * OUT_STRIDE * 2u + OUT_OFFSET * 2u + quad] = both;
  #end
  #else
  out[token * OUT_STRIDE + OUT_OFFSET + quad] = y;
  #end
}

#if ROUNDED
// Rounds the outputs of one token that the threads of the workgroup have stored.
fn round_outputs(token: u32, workgroup: u32, local: u32) {
  workgroupBarrier();
  let blocks = WG / LANES * QUADS_EACH / 16u;
  let block = workgroup * blocks + local;
  if (local < blocks && block < QUADS / 16u) {
    var largest = 0f;
    for (var i = 0u; i < 32u; i++) {
      largest = max(largest, abs(gated[local * 32u + i]));
    }
    let inverse = inverse_scale(largest);
    var sum = 0i;
    for (var i = 0u; i < 8u; i++) {
      let at = local * 32u + i * 4u;
      let codes = rounded(vec4(gated[at], gated[at + 1u], gated[at + 2u], gated[at + 3u]), inverse);
      sum += codes.x + codes.y + codes.z + codes.w;
      out[(token * OUT_STRIDE + OUT_OFFSET) / 4u + block * 8u + i] = packed(codes);
    }
    out_scales[(token * OUT_STRIDE + OUT_OFFSET) / 32u + block] = vec2(largest / 127f, f32(sum));
  }
  workgroupBarrier();
}
#end
