// The cache of a layer, 4 dimensions an element, in float32 or float16.
//
// keys   [sequence][KV_HEADS][D4][POSITIONS]: neighbours hold the same dimensions of neighbouring positions
// values [sequence][KV_HEADS][POSITIONS][E4]
// k, v   [T][STRIDE] f32, from their offsets on: those of the step, keys not yet rotated; only if STORES

override KV_HEADS: u32;
override D: u32; // of a head of queries and keys
override D4: u32; // ceil(D / 4)
override E: u32; // of a head of values
override E4: u32; // ceil(E / 4)
override POSITIONS: u32;
override PAIRS: u32;
override K_STRIDE: u32; // numbers
override K_OFFSET: u32;
override V_STRIDE: u32;
override V_OFFSET: u32;

#if STORES
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read_write> keys: array<CacheElement>;
@group(0) @binding(5) var<storage, read_write> values: array<CacheElement>;
#else
@group(0) @binding(4) var<storage, read> keys: array<CacheElement>;
@group(0) @binding(5) var<storage, read> values: array<CacheElement>;
#end
#if ROPE == none
#else
@group(0) @binding(6) var<storage, read> angles: array<vec2<f32>>;
#end

#include rotate

#if CACHE == f16
alias CacheElement = vec2<u32>;
fn from_cache(element: CacheElement) -> vec4<f32> {
  return vec4(unpack2x16float(element.x), unpack2x16float(element.y));
}
fn to_cache(value: vec4<f32>) -> CacheElement {
  return vec2(pack2x16float(value.xy), pack2x16float(value.zw));
}
#else
alias CacheElement = vec4<f32>;
fn from_cache(element: CacheElement) -> vec4<f32> {
  return element;
}
fn to_cache(value: vec4<f32>) -> CacheElement {
  return value;
}
#end

fn key_at(sequence: u32, head: u32, position: u32, d4: u32) -> u32 {
  return ((sequence * KV_HEADS + head) * D4 + d4) * POSITIONS + position;
}

fn value_at(sequence: u32, head: u32, position: u32, e4: u32) -> u32 {
  return ((sequence * KV_HEADS + head) * POSITIONS + position) * E4 + e4;
}

#if STORES
// Stores dimensions 4 * d4 to 4 * d4 + 3 of a token's key and of its value. Dimensions beyond D or E are zero.
fn store(token: u32, sequence: u32, position: u32, head: u32, d4: u32) {
  if (d4 < D4) {
    var key = vec4<f32>();
    let begin = token * K_STRIDE + K_OFFSET + head * D;
    for (var i = 0u; i < 4u; i++) {
      let d = 4u * d4 + i;
      if (d < D) {
        key[i] = rotated(k[begin + d], k[begin + partner(d)], d, position);
      }
    }
    keys[key_at(sequence, head, position, d4)] = to_cache(key);
  }
  if (d4 < E4) {
    var value = vec4<f32>();
    let begin = token * V_STRIDE + V_OFFSET + head * E;
    for (var i = 0u; i < min(4u, E - 4u * d4); i++) {
      value[i] = v[begin + 4u * d4 + i];
    }
    values[value_at(sequence, head, position, d4)] = to_cache(value);
  }
}
#end
