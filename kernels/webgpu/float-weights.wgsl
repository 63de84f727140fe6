// Float weights of 4 rows at one k: float32, or float16, which is unpacked by hand unless the device has the extension.

#if WEIGHTS == f32
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
fn weight(at: u32) -> vec4<f32> {
  return weights[at];
}
#else
#if F16
@group(0) @binding(1) var<storage, read> weights: array<vec4<f16>>;
fn weight(at: u32) -> vec4<f32> {
  return vec4<f32>(weights[at]);
}
#else
@group(0) @binding(1) var<storage, read> weights: array<vec2<u32>>;
fn weight(at: u32) -> vec4<f32> {
  let pairs = weights[at];
  return vec4(unpack2x16float(pairs.x), unpack2x16float(pairs.y));
}
#end
#end
