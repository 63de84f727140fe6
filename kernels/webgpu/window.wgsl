// A token sees the last WINDOW positions, its own included; WHOLE: also those after it that are less than WINDOW away.

override WINDOW: u32;

fn first_position(position: u32) -> u32 {
  return position + 1u - min(WINDOW, position + 1u);
}
