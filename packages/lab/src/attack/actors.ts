/** Index of the device that attacks, and of another one that does nothing wrong; both are under the same policy. */
export const ATTACKER = 0;
export const BYSTANDER = 1;
