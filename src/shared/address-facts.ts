/** What a door knows of where a request comes from. */
export interface AddressFacts {
  /** The remote address of the connection, which may be a proxy's. */
  readonly address: string;
  /** By lower-case name; fields that were repeated as one list (RFC 9110 section 5.3). */
  readonly headers: { get(name: string): string | undefined };
}
