// Whether each of the columns 4i to 4i + 3 lies within a row of COLS.
fn within_row(i: u32) -> vec4<bool> {
  return vec4(4u * i) + vec4(0u, 1u, 2u, 3u) < vec4(COLS);
}
