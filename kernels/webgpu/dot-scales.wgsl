// Scales of codes for packed dot products (matmul-dot.wgsl), one row at a time: weight = code * scale + minimum.

@group(0) @binding(2) var<storage, read> scales: array<u32>;

fn half_at(at: u32, r: u32) -> f32 {
  return unpack2x16float(scales[at + r / 2u])[r % 2u];
}

fn byte_at(word: u32, i: u32) -> f32 {
  return f32((word >> (8u * i)) & 255u);
}

// Scale and minimum of a block of a row.
fn row_scale(row: u32, block: u32, half: u32) -> vec2<f32> {
  let at = (row / 4u) * (K / 32u) + block;
  let r = row % 4u;
  #if SCALES == d
  let d = half_at(2u * at, r);
  #if PLANES == 2
  return vec2(d, 0f);
  #else
  return vec2(d, -8f * d);
  #end
  #end
  #if SCALES == dm
  return vec2(half_at(4u * at, r), half_at(4u * at + 2u, r));
  #end
  #if SCALES == k
  let super_block = (at / 8u) * 20u;
  let parts = super_block + 4u + (at % 8u) * 2u;
  return vec2(
    half_at(super_block, r) * byte_at(scales[parts], r),
    -half_at(super_block + 2u, r) * byte_at(scales[parts + 1u], r),
  );
  #end
  #if SCALES == g16
  let part = at * 16u + r * 4u + half;
  return vec2(bitcast<f32>(scales[part]), bitcast<f32>(scales[part + 2u]));
  #end
}
