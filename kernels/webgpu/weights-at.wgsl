// weights_at(row, k): four weights of a row from k on, k a multiple of 4. The weights have the layout of the products
// (matmul-*.wgsl). K is the number of columns, padded.

#if FORM == float
#if WEIGHTS == f32
@group(0) @binding(1) var<storage, read> weights: array<f32>;
fn weight_at(at: u32) -> f32 {
  return weights[at];
}
#else
@group(0) @binding(1) var<storage, read> weights: array<u32>;
fn weight_at(at: u32) -> f32 {
  return unpack2x16float(weights[at / 2u])[at & 1u];
}
#end
fn weights_at(row: u32, k: u32) -> vec4<f32> {
  let at = ((row / 4u) * K + k) * 4u + row % 4u;
  return vec4(weight_at(at), weight_at(at + 4u), weight_at(at + 8u), weight_at(at + 12u));
}
#else
@group(0) @binding(1) var<storage, read> codes: array<u32>;

#if FORM == pairs
@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn half_at(at: u32, upper: bool) -> f32 {
  return unpack2x16float(scales[at])[u32(upper)];
}

fn byte_of(word: u32, i: u32) -> f32 {
  return f32((word >> (8u * i)) & 255u);
}

// Groups of 8 rows, in words of 4 pairs.
fn weights_at(row: u32, k: u32) -> vec4<f32> {
  let pair = (row % 8u) / 2u;
  let upper = row % 2u == 1u;
  let at = (row / 8u) * (K / 32u) + k / 32u; // of the block
  let word = (at * PLANES * 8u + (k % 32u) / 4u) * 4u + pair;
  let shift = select(0u, 16u, upper);
  let low = vec4<f32>((vec4(codes[word] >> shift) >> vec4(0u, 4u, 8u, 12u)) & vec4(15u));
  #if PLANES == 2
  let high = vec4<f32>((vec4(codes[word + 32u] >> shift) >> vec4(0u, 4u, 8u, 12u)) & vec4(15u));
  let code = 16f * high + low - 128f;
  #else
  let code = low;
  #end
  #if SCALES == d
  let d = half_at(4u * at + pair, upper);
  #if PLANES == 2
  return d * code;
  #else
  return d * (code - 8f);
  #end
  #end
  #if SCALES == dm
  return half_at(8u * at + pair, upper) * code + half_at(8u * at + 4u + pair, upper);
  #end
  #if SCALES == k
  let super_block = (at / 8u) * 40u;
  let parts = scales[super_block + 8u + (at % 8u) * 4u + pair];
  let d = half_at(super_block + pair, upper) * byte_of(parts, u32(upper));
  return d * code - half_at(super_block + 4u + pair, upper) * byte_of(parts, 2u + u32(upper));
  #end
  #if SCALES == g16
  let part = at * 32u + ((k % 32u) / 16u) * 16u + select(0u, 4u, upper) + pair;
  return bitcast<f32>(scales[part]) * code + bitcast<f32>(scales[part + 8u]);
  #end
}
#else
// Rows in order; the scales of 4 rows are adjacent.
#include dot-scales
fn weights_at(row: u32, k: u32) -> vec4<f32> {
  #if PLANES == 2
  let word = codes[(row * K + k) / 4u];
  let code = vec4<f32>(bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u));
  #else
  let word = codes[(row * (K / 32u) + k / 32u) * 4u + (k % 16u) / 4u];
  let shift = select(0u, 4u, k % 32u >= 16u);
  let code = vec4<f32>((vec4(word >> shift) >> vec4(0u, 8u, 16u, 24u)) & vec4(15u));
  #end
  let part = row_scale(row, k / 32u, (k % 32u) / 16u);
  return part.x * code + part.y;
}
#end
#end
