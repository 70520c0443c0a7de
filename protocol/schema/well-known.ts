/** Names of the schemas that are more than their shape: they have their own ways of being written. */
export const metaPrefix = 'io.k8s.apimachinery.pkg.apis.meta.v1';
export const quantityName = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
export const intOrStringName = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
export const timeName = `${metaPrefix}.Time`;
export const microTimeName = `${metaPrefix}.MicroTime`;
