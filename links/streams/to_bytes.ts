// @ts-types="./to_bytes.d.ts"
export * from "npm:deno-std@1.4.0/streams/to_bytes.js";
