/**
 * Returns why a policy of a change failed itself, where an answer of the API server's says so: what it says then is nothing that
 * the check could see. A mutating policy denies nothing but what it cannot change; a validating one names its own error.
 */
export function failureOfPolicy(text: string): string | undefined {
  return (
    /\bpolicy 'knc-[0-9a-f]{8}' with binding '[^']*' denied request: (.*)/.exec(text)?.[1] ??
    /'knc-[0-9a-f]{8}' denied request: (expression .* resulted in error.*)/.exec(text)?.[1]
  );
}
