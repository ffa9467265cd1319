/** The bounds of the Engine.IO layer. Each closes or refuses only the connection that reaches it. */
export interface EngineLimits {
  /** A ping is sent every so often, milliseconds. */
  readonly pingIntervalMs: number;
  /** A ping not answered within this many milliseconds closes the session. */
  readonly pingTimeoutMs: number;
  /** Largest WebSocket message and polling payload, bytes; told to the client as `maxPayload`. */
  readonly maxPayloadBytes: number;
  /** Packets in one POST body. */
  readonly maxPayloadPackets: number;
  /** A probing WebSocket that has not upgraded after this many milliseconds is closed. */
  readonly upgradeTimeoutMs: number;
  /** A POST body must be complete within this many milliseconds. */
  readonly bodyTimeoutMs: number;
  /** How long a closed polling session waits for the GET that tells its client, milliseconds. */
  readonly closeTimeoutMs: number;
  /** Bytes a WebSocket may be behind before it is closed. */
  readonly maxBackpressureBytes: number;
  /** Bytes a session may be behind before ephemeral frames skip it. */
  readonly shedBackpressureBytes: number;
  /** Bytes that may wait for a polling client's next GET before its session is closed. */
  readonly maxPollingBufferBytes: number;
  /** Sessions at once; further handshakes are answered 503. */
  readonly maxSessions: number;
  /** The share of these that sessions without identity may take, above 0 and up to 1. */
  readonly strangersShare: number;
  /** Packets a session may send before it has an identity. */
  readonly maxEarlyPackets: number;
  /** Bytes of a WebSocket message, or of a polling payload, before the session has an identity. */
  readonly maxEarlyBytes: number;
  /** Query string of a request, bytes. */
  readonly maxQueryBytes: number;
  /** Fields of it. */
  readonly maxQueryFields: number;
  /** Polling responses of at least so many bytes are compressed for clients that accept it. */
  readonly compressThresholdBytes: number;
}

/** How many packets one connection may send. */
export interface PacketLimit {
  /** Counts one: fine, too many, or so many that the connection has to go. */
  take(count: PacketCount): 'ok' | 'over' | 'flood';
}

/** What is counted, kept by the connection. */
export interface PacketCount {
  packets: number;
  window: number;
}
