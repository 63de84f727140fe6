// Which of the numbers 4i to 4i + 3 belong to a row of COLS.
fn within_row(i: u32) -> vec4<bool> {
  return vec4(4u * i) + vec4(0u, 1u, 2u, 3u) < vec4(COLS);
}
