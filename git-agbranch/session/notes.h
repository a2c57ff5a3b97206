/* Lines that are said once. */
#pragma once

#include "session/env.h"

/* Once for each repository: that RUNTIME is a namespace sandbox, which is weaker than a VM. */
void agb_note_namespace_sandbox (AgbEnv *env, AgbRuntime *runtime);
