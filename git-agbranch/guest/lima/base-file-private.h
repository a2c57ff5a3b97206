/* What writing and reading of an exported base agree on. */
#pragma once

#define AGB_BASE_MANIFEST "base.json"

/* The members behind the manifest, in their order. */
enum { AGB_BASE_IMAGE, AGB_BASE_KERNEL, AGB_BASE_INITRD, AGB_BASE_MEMBERS };
extern const char *const agb_base_members[AGB_BASE_MEMBERS];

/* The processor as Lima calls it. */
const char *agb_base_arch (void);
