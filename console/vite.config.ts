import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** A running Portcullis, for `npm run dev`. */
const endpoint = process.env["PORTCULLIS_ENDPOINT"] ?? "http://127.0.0.1:4566";

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  server: {
    proxy: {
      // Portcullis answers only pages of its own origin, so the host stays as the browser sent it.
      "^/$": { target: endpoint, changeOrigin: false },
      "/_portcullis": { target: endpoint, changeOrigin: false },
    },
  },
  build: {
    // `console/dist` itself is in the tree and watched by the build script of `crates/console`.
    outDir: "dist/site",
    emptyOutDir: true,
    // Pictures stay files, which the browser keeps.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4000,
    target: "es2022",
  },
});
