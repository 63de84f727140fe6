// Activations in 8 bits: a block of 32 values has a scale, its largest magnitude / 127, and integer codes in -127..127.

fn inverse_scale(largest: f32) -> f32 {
  return select(127f / largest, 0f, largest == 0f);
}

fn rounded(values: vec4<f32>, inverse: f32) -> vec4<i32> {
  return vec4<i32>(round(values * inverse));
}

// Packs four codes into a word: signed bytes for packed dot products; otherwise + 128, which is cheaper to unpack.
fn packed(codes: vec4<i32>) -> u32 {
  #if PACKED_DOT
  let bytes = vec4<u32>(codes & vec4(255));
  #else
  let bytes = vec4<u32>(codes + vec4(128));
  #end
  return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}
