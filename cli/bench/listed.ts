/** The values of an option that takes several: an array from flags, a single value from anywhere else. */
export function listed<T>(value: T | undefined): readonly T[] | undefined {
  return value === undefined ? undefined : ([value].flat() as T[]);
}
