/** Where a request comes from, as far as its door knows. */
export interface AddressFacts {
  /** The remote address of the connection, which may be a proxy's. */
  readonly address: string;
  /** Header fields by lower-case name; repeated ones are one list (RFC 9110 section 5.3). */
  readonly headers: { get(name: string): string | undefined };
}
