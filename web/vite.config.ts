// The page's build. `npm run dev:page` serves it with hot reload in front of a running service.
import { defineConfig } from 'vite';

const service = 'http://127.0.0.1:3006';

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    // An inlined asset would be a data: URL, which the page's policy allows for images only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    port: 3007,
    proxy: {
      '/messages': service,
      '/demo': service,
      '/socket.io': { target: service, ws: true },
    },
  },
});
