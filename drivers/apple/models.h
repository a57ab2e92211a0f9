/* models.h - what people call a product type. */
#ifndef APPLE_MODELS_H
#define APPLE_MODELS_H

/* "iPad (10th generation)" for "iPad13,18"; "" when unknown. */
const char *apple_model_name(const char *product_type);

#endif
