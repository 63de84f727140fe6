/** Constants that scripts/build.ts passes to the compiler (dot.ts). */
declare const DOT_CLASS: i32;
declare const EMULATED: i32;
