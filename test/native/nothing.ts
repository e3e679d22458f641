// A program that does nothing, to see how large that is.
export {};
