/** Style sheets are Vite's to put into the page. */
declare module '*.css';
