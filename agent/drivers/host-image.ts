/** Whether a container of the process runtime is a process of the host, and has no image: its manifest says `image: host`. */
export function isHostImage(image: string | undefined): boolean {
  return image === 'host';
}
