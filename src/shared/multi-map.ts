/**
 * Several values to a key, where most keys have one: that one is kept without a collection around it,
 * which would weigh more than all else that is known of an idle connection. Values are no Sets.
 */
export class MultiMap<K, V extends object> {
  readonly #values = new Map<K, V | Set<V>>();

  /** How many keys have a value. */
  get size(): number {
    return this.#values.size;
  }

  /** The values of `key`, as they are now. */
  get(key: K): readonly V[] {
    const found = this.#values.get(key);
    if (found === undefined) return [];
    return found instanceof Set ? [...found] : [found];
  }

  has(key: K, value: V): boolean {
    const found = this.#values.get(key);
    return found instanceof Set ? found.has(value) : found === value;
  }

  /** How many values `key` has. */
  count(key: K): number {
    const found = this.#values.get(key);
    if (found === undefined) return 0;
    return found instanceof Set ? found.size : 1;
  }

  add(key: K, value: V): void {
    const found = this.#values.get(key);
    if (found === undefined) this.#values.set(key, value);
    else if (found instanceof Set) found.add(value);
    else if (found !== value) this.#values.set(key, new Set([found, value]));
  }

  /** Whether `key` had `value`. */
  delete(key: K, value: V): boolean {
    const found = this.#values.get(key);
    if (!(found instanceof Set)) return found === value && this.#values.delete(key);
    const had = found.delete(value);
    if (found.size === 0) this.#values.delete(key);
    return had;
  }

  deleteAll(key: K): void {
    this.#values.delete(key);
  }
}
