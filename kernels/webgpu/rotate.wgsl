// Rotary embedding of one dimension of a head. Needs `angles` [position][PAIRS] (cos, sin), and PAIRS.

#if ROPE == none
fn rotated(value: f32, other: f32, d: u32, position: u32) -> f32 {
  return value;
}

fn partner(d: u32) -> u32 {
  return d;
}
#else
// The other dimension of d's pair; d itself beyond the pairs.
fn partner(d: u32) -> u32 {
  if (d >= 2u * PAIRS) {
    return d;
  }
  #if ROPE == interleaved
  return d ^ 1u;
  #else
  return select(d - PAIRS, d + PAIRS, d < PAIRS);
  #end
}

// Dimension d after the rotation; `other` is the value at partner(d).
fn rotated(value: f32, other: f32, d: u32, position: u32) -> f32 {
  if (d >= 2u * PAIRS) {
    return value;
  }
  #if ROPE == interleaved
  let angle = angles[position * PAIRS + d / 2u];
  let first = (d & 1u) == 0u;
  #else
  let angle = angles[position * PAIRS + select(d - PAIRS, d, d < PAIRS)];
  let first = d < PAIRS;
  #end
  return value * angle.x + select(other, -other, first) * angle.y;
}
#end
