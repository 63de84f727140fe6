/** The part of the WebAssembly JavaScript API in use; the compiler's own declarations come only with a browser's. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    constructor(sizes: { initial: number; maximum: number; shared: true }); // pages of 64 KiB
    readonly buffer: SharedArrayBuffer;
    grow(pages: number): number;
  }
}
