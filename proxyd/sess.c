/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Sessions, as proxyd knows them.
 */

#include "proxyd.h"
